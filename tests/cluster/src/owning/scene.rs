//! The scenes of `make demo` (`examples/scenes`) on a cluster.

use std::fs;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use super::{Failure, SOON, apply, events, wrongs};
use crate::devices::{containers_see_their_devices, example, running};
use crate::harness::Bed;
use crate::wait::until;

/// How the in-tree plugin says that a pod has to wait for devices.
const WAITS: &str = "cannot allocate all claims";

/// Plays a scene for a scheduler: `before` and then the scene's pods come one after the other, and each
/// has to run and to see its devices, or be told by the in-tree plugin that there are none. Answers who was.
/// What the scene's hardware is called is replaced by what it is called here.
pub async fn play(
    bed: &Bed,
    scene: &str,
    names: &[(&str, &str)],
    scheduler: &str,
    before: Vec<Value>,
) -> Result<Vec<String>, Failure> {
    let namespace = bed.fresh_namespace().await?;
    let all = before.into_iter().chain(read(scene, names)?);
    let (mut pods, others): (Vec<_>, Vec<_>) = all.partition(|it| text(it, "/kind") == "Pod");
    apply(bed, &namespace, &others).await?;
    let api: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    let mut waiting = Vec::new();
    for pod in &mut pods {
        runnable(pod, scheduler);
        let name = text(pod, "/metadata/name");
        apply(bed, &namespace, std::slice::from_ref(pod)).await?;
        let what = format!("{name} is bound or waits");
        let waits = until(SOON, &what, async || {
            let pod = api.get(name).await;
            let pod = pod.map_err(crate::ClusterError::api("get a pod"))?;
            if pod.spec.and_then(|spec| spec.node_name).is_some() {
                return Ok(Some(false));
            }
            let said = events(bed, &namespace, name).await?;
            Ok(said.contains(WAITS).then_some(true))
        });
        if waits.await? {
            waiting.push(name.to_owned());
            continue;
        }
        let pod = running(bed, &namespace, name).await?;
        containers_see_their_devices(bed, &namespace, &pod).await?;
    }
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    bed.nothing_stays(&namespace).await?;
    Ok(waiting)
}

/// The classes, templates and pods of a scene.
fn read(scene: &str, names: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
    let mut read = fs::read_to_string(example(&format!("scenes/{scene}")))?;
    for (there, here) in names {
        read = read.replace(there, here);
    }
    let mut objects = Vec::new();
    for document in read.split("\n---\n") {
        let object = supercargo_host::objects::plain(scene, document)?.value;
        if ["DeviceClass", "ResourceClaimTemplate", "Pod"].contains(&text(&object, "/kind")) {
            objects.push(object);
        }
    }
    Ok(objects)
}

/// A pod of a scene as one that runs here.
fn runnable(pod: &mut Value, scheduler: &str) {
    for (object, field, value) in [
        ("/spec", "schedulerName", json!(scheduler)),
        ("/spec", "terminationGracePeriodSeconds", json!(0)),
        ("/spec/containers/0", "image", json!("busybox:1.36")),
        ("/spec/containers/0", "command", json!(["sleep", "1000000"])),
    ] {
        let object = pod.pointer_mut(object).and_then(Value::as_object_mut);
        if let Some(object) = object {
            object.insert(field.to_owned(), value);
        }
    }
}

fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    let text = object.pointer(place).and_then(Value::as_str);
    text.unwrap_or_default()
}
