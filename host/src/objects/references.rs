//! What a pod's claim entry refers to.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::PodResourceClaim;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimTemplate};

use super::Cluster;
use super::cluster::full_name;

/// Claims and templates by `namespace/name`.
pub(crate) struct References<'c> {
    pub(crate) claims: HashMap<String, (usize, &'c ResourceClaim)>,
    templates: HashMap<String, &'c ResourceClaimTemplate>,
}

/// What an entry means.
pub(crate) enum Target<'c> {
    /// A claim by name, at its position in the cluster.
    Claim(usize),
    /// A template: the pod gets a claim of its own.
    Template(&'c ResourceClaimTemplate),
}

/// Why an entry leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// The field that names what is not there.
    pub(crate) field: &'static str,
    pub(crate) message: String,
    pub(crate) cure: String,
}

impl<'c> References<'c> {
    pub(crate) fn of(cluster: &'c Cluster) -> Self {
        let claims = cluster.claims.iter().enumerate();
        Self {
            claims: claims
                .map(|(index, claim)| (full_name(&claim.object.metadata), (index, &claim.object)))
                .collect(),
            templates: cluster
                .templates
                .iter()
                .map(|template| (full_name(&template.object.metadata), &template.object))
                .collect(),
        }
    }

    pub(crate) fn resolve(
        &self,
        namespace: &str,
        entry: &PodResourceClaim,
    ) -> Result<Target<'c>, Unresolved> {
        match (
            &entry.resource_claim_name,
            &entry.resource_claim_template_name,
        ) {
            (Some(name), _) => self.claim(&format!("{namespace}/{name}")),
            (None, Some(name)) => self.template(&format!("{namespace}/{name}")),
            // Reading refuses this; objects from elsewhere may still have it.
            (None, None) => Err(Unresolved {
                field: "resourceClaimName",
                message: "names neither a claim nor a template".to_owned(),
                cure: "set resourceClaimName or resourceClaimTemplateName".to_owned(),
            }),
        }
    }

    fn claim(&self, name: &str) -> Result<Target<'c>, Unresolved> {
        if let Some((index, _)) = self.claims.get(name) {
            return Ok(Target::Claim(*index));
        }
        let field = "resourceClaimName";
        let (message, cure) = if self.templates.contains_key(name) {
            (
                format!("{name} is a ResourceClaimTemplate, not a ResourceClaim"),
                "use resourceClaimTemplateName".to_owned(),
            )
        } else {
            (
                format!(
                    "there is no ResourceClaim {name}: the pod stays pending until it is created"
                ),
                elsewhere(name, self.claims.keys(), "create the claim"),
            )
        };
        Err(Unresolved {
            field,
            message,
            cure,
        })
    }

    fn template(&self, name: &str) -> Result<Target<'c>, Unresolved> {
        if let Some(template) = self.templates.get(name) {
            return Ok(Target::Template(template));
        }
        let field = "resourceClaimTemplateName";
        let (message, cure) = if self.claims.contains_key(name) {
            (
                format!("{name} is a ResourceClaim, not a ResourceClaimTemplate"),
                "use resourceClaimName".to_owned(),
            )
        } else {
            (
                format!(
                    "there is no ResourceClaimTemplate {name}: the pod stays pending until it is \
                     created"
                ),
                elsewhere(name, self.templates.keys(), "create the template"),
            )
        };
        Err(Unresolved {
            field,
            message,
            cure,
        })
    }
}

/// Points to the same name in another namespace, if there is one.
fn elsewhere<'n>(name: &str, known: impl Iterator<Item = &'n String>, cure: &str) -> String {
    let short = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut found: Vec<&String> = known.filter(|other| short(other) == short(name)).collect();
    found.sort();
    match found.first() {
        Some(other) => format!("{cure}; {other} is in another namespace, and pods use their own"),
        None => cure.to_owned(),
    }
}
