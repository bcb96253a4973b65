//! A node with devices and a claim, as a test writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Unusable;

/// A node with devices and a claim.
///
/// ```
/// use supercargo_guest::testkit::Fixture;
///
/// let fixture = Fixture::parse(
///     "
/// driver: gpu.nvidia.com
/// devices:
/// - name: gpu-0
///   attributes:
///     uuid: {string: GPU-1}
///     resource.kubernetes.io/numaNode: {int: 0}
///   capacity:
///     memory: {value: 80Gi}
/// - name: gpu-1
///   inUse: true
/// requests:
/// - {name: gpu, count: 1}
/// ",
/// )?;
/// # Ok::<(), supercargo_guest::testkit::Unusable>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fixture {
    /// The driver of devices that name none. Attributes without a domain are in its domain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// What the node has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<FixtureDevice>,
    /// Counters that devices draw from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_counters: Vec<CounterSet>,
    /// What the claim asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<FixtureRequest>,
    /// What must hold between devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<FixtureConstraint>,
    /// Opaque parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<FixtureParameters>,
    /// The administrator's settings; none is `{}`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub settings: serde_json::Value,
    /// The node's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The claim's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// The claim's namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// For [`expect`](super::expect): the devices of each request in the first proposal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, Vec<String>>,
    /// For [`expect`](super::expect): a part of the reason with which the policy must refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// From here on, what takes the whole host to test, so only `supercargo policy test` looks at it:
    /// claims that come after this one and must all be served too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<FixtureClaim>,
    /// The attribute of which all devices of each claim must have one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// How many free devices may be left in groups (by `groupBy`) that are partly taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strands_at_most: Option<usize>,
    /// The attribute whose values make groups, for `strandsAtMost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// Kubernetes objects instead of `devices` and `requests`: ResourceSlices, DeviceClasses, at most
    /// one Node, claims that are allocated already, and one that is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<serde_json::Value>,
    /// What the node has, for `publish`; the answer is then written in the words of a ResourceSlice:
    /// `devices` and `sharedCounters`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hardware: Vec<FixtureUnit>,
    /// The hook that is asked, where it is not `select`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// The question to another hook, in the form of the WIT with names in camelCase.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub question: serde_json::Value,
    /// What another hook must answer, in the same form.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub answer: serde_json::Value,
    /// What `prepare` or `unprepare` must plan.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub plan: serde_json::Value,
    /// What the administrator grants the policy, as in its entry of the configuration.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub grants: serde_json::Value,
}

/// A piece of hardware, as the host found it.
///
/// ```
/// use supercargo_guest::testkit::Fixture;
/// let fixture = Fixture::parse(
///     "hardware: [{id: GPU-1, facts: {nvml.memory-bytes: {int: 85899345920}}}]",
/// )?;
/// assert_eq!(fixture.hardware[0].id, "GPU-1");
/// # Ok::<(), supercargo_guest::testkit::Unusable>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureUnit {
    /// Its stable identity on the node.
    pub id: String,
    /// What is known of it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, FixtureValue>,
}

/// A claim that comes later.
///
/// ```
/// use supercargo_guest::testkit::{FixtureClaim, FixtureRequest};
/// let later = FixtureClaim {
///     requests: vec![FixtureRequest::new("gpus", 4)],
///     ..FixtureClaim::default()
/// };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureClaim {
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<FixtureRequest>,
    /// What must hold between its devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<FixtureConstraint>,
    /// The devices that each request must get; none: any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, Vec<String>>,
}

impl Fixture {
    /// A node without devices and a claim without requests.
    ///
    /// ```
    /// let fixture = supercargo_guest::testkit::Fixture::new("gpu.nvidia.com");
    /// ```
    #[must_use]
    pub fn new(driver: impl Into<String>) -> Self {
        Self {
            driver: driver.into(),
            ..Self::default()
        }
    }

    /// Reads a fixture.
    ///
    /// # Errors
    /// [`Unusable::Fixture`], with line and column.
    ///
    /// ```
    /// use supercargo_guest::testkit::Fixture;
    /// assert!(Fixture::parse("driver: a.example\nnoSuchField: 1").is_err());
    /// ```
    pub fn parse(yaml: &str) -> Result<Self, Unusable> {
        serde_saphyr::from_str(yaml).map_err(|error| Unusable::Fixture(error.to_string()))
    }

    /// Adds a device.
    ///
    /// ```
    /// # use supercargo_guest::testkit::{Fixture, FixtureDevice};
    /// let fixture = Fixture::new("a.example").device(FixtureDevice::new("gpu-0"));
    /// ```
    #[must_use]
    pub fn device(mut self, device: FixtureDevice) -> Self {
        self.devices.push(device);
        self
    }

    /// Adds a counter that devices may draw from.
    ///
    /// ```
    /// # use supercargo_guest::testkit::Fixture;
    /// let fixture = Fixture::new("a.example").counter("board-0", "slices", "8");
    /// ```
    #[must_use]
    pub fn counter(mut self, set: &str, name: &str, total: impl Into<String>) -> Self {
        let amount = Amount {
            value: total.into(),
        };
        match self
            .shared_counters
            .iter_mut()
            .find(|existing| existing.name == set)
        {
            Some(existing) => {
                existing.counters.insert(name.to_owned(), amount);
            }
            None => self.shared_counters.push(CounterSet {
                name: set.to_owned(),
                counters: BTreeMap::from([(name.to_owned(), amount)]),
            }),
        }
        self
    }

    /// Asks for so many devices, whichever are free.
    ///
    /// ```
    /// # use supercargo_guest::testkit::Fixture;
    /// let fixture = Fixture::new("a.example").request("gpus", 2);
    /// ```
    #[must_use]
    pub fn request(mut self, name: &str, count: u32) -> Self {
        self.requests.push(FixtureRequest::new(name, count));
        self
    }

    /// Asks for so many of these devices.
    ///
    /// ```
    /// # use supercargo_guest::testkit::Fixture;
    /// let fixture = Fixture::new("a.example").request_among("gpu", 1, ["gpu-0", "gpu-1"]);
    /// ```
    #[must_use]
    pub fn request_among<'a>(
        mut self,
        name: &str,
        count: u32,
        devices: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut request = FixtureRequest::new(name, count);
        request.devices = Some(devices.into_iter().map(str::to_owned).collect());
        self.requests.push(request);
        self
    }

    /// Marks a device as taken; a name that no device has changes nothing.
    ///
    /// ```
    /// # use supercargo_guest::testkit::{Fixture, FixtureDevice};
    /// let fixture = Fixture::new("a.example").device(FixtureDevice::new("gpu-0"));
    /// let later = fixture.mark_in_use("gpu-0");
    /// ```
    #[must_use]
    pub fn mark_in_use(mut self, device: &str) -> Self {
        for own in self.devices.iter_mut().filter(|own| own.name == device) {
            own.in_use = true;
        }
        self
    }

    /// Sets the administrator's settings.
    ///
    /// ```
    /// # use supercargo_guest::{serde_json::json, testkit::Fixture};
    /// let fixture = Fixture::new("a.example").settings(json!({"mode": "spread"}));
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: serde_json::Value) -> Self {
        self.settings = settings;
        self
    }
}

/// A device, in the words of a ResourceSlice.
///
/// ```
/// use supercargo_guest::testkit::FixtureDevice;
/// let device = FixtureDevice::new("gpu-0").int("index", 0).capacity("memory", "80Gi");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureDevice {
    /// Its name.
    pub name: String,
    /// Its driver, where it is not the fixture's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its attributes; a name without a domain is in its driver's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, FixtureValue>,
    /// Its capacities, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, Amount>,
    /// What it draws from counters when allocated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumes_counters: Vec<Draw>,
    /// Whether it is taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_use: bool,
    /// What is taken of its capacities by claims that share it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumed: BTreeMap<String, Amount>,
}

impl FixtureDevice {
    /// A free device without attributes.
    ///
    /// ```
    /// let device = supercargo_guest::testkit::FixtureDevice::new("gpu-0");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Gives it a whole number; a name without a domain is in that of its driver.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").int("index", 0);
    /// ```
    #[must_use]
    pub fn int(self, name: &str, value: i64) -> Self {
        self.attribute(name, FixtureValue::Int(value))
    }

    /// Gives it a truth.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").bool("iommuFDEnabled", true);
    /// ```
    #[must_use]
    pub fn bool(self, name: &str, value: bool) -> Self {
        self.attribute(name, FixtureValue::Bool(value))
    }

    /// Gives it a text.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").string("supercargo.dev/nvlinkGroup", "a");
    /// ```
    #[must_use]
    pub fn string(self, name: &str, value: impl Into<String>) -> Self {
        self.attribute(name, FixtureValue::String(value.into()))
    }

    /// Gives it a semantic version.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").version("driverVersion", "580.1.0");
    /// ```
    #[must_use]
    pub fn version(self, name: &str, value: impl Into<String>) -> Self {
        self.attribute(name, FixtureValue::Version(value.into()))
    }

    fn attribute(mut self, name: &str, value: FixtureValue) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }

    /// Gives it a capacity.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").capacity("memory", "80Gi");
    /// ```
    #[must_use]
    pub fn capacity(mut self, name: &str, total: impl Into<String>) -> Self {
        self.capacity.insert(
            name.to_owned(),
            Amount {
                value: total.into(),
            },
        );
        self
    }

    /// Lets it draw from a counter when allocated.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let half = FixtureDevice::new("half-0").draws("board-0", "slices", "4");
    /// ```
    #[must_use]
    pub fn draws(mut self, set: &str, counter: &str, amount: impl Into<String>) -> Self {
        let amount = Amount {
            value: amount.into(),
        };
        match self
            .consumes_counters
            .iter_mut()
            .find(|draw| draw.counter_set == set)
        {
            Some(draw) => {
                draw.counters.insert(counter.to_owned(), amount);
            }
            None => self.consumes_counters.push(Draw {
                counter_set: set.to_owned(),
                counters: BTreeMap::from([(counter.to_owned(), amount)]),
            }),
        }
        self
    }

    /// Marks it as taken.
    ///
    /// ```
    /// # use supercargo_guest::testkit::FixtureDevice;
    /// let device = FixtureDevice::new("gpu-0").in_use();
    /// ```
    #[must_use]
    pub fn in_use(mut self) -> Self {
        self.in_use = true;
        self
    }
}

/// A request of the claim.
///
/// ```
/// use supercargo_guest::testkit::{Fixture, FixtureRequest};
///
/// let mut fixture = Fixture::new("a.example");
/// fixture.requests.push(FixtureRequest::new("gpus", 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureRequest {
    /// Its name. An alternative is called `request/alternative`.
    pub name: String,
    /// How many devices; 0 for all.
    #[serde(default = "one")]
    pub count: u32,
    /// The devices that may serve it; none for all that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Whether it asks for administrative access.
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin_access: bool,
    /// What it asks of each device.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// Alternatives, most preferred first; what else is said of the request then counts nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_available: Vec<FixtureRequest>,
}

impl FixtureRequest {
    /// Asks for so many devices, 0 for all.
    ///
    /// ```
    /// let request = supercargo_guest::testkit::FixtureRequest::new("gpu", 1);
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, count: u32) -> Self {
        Self {
            name: name.into(),
            count,
            ..Self::default()
        }
    }
}

fn is_false(truth: &bool) -> bool {
    !truth
}

fn one() -> u32 {
    1
}

/// What must hold between devices; either of the two attributes is given.
///
/// ```
/// use supercargo_guest::testkit::FixtureConstraint;
/// let same_root = FixtureConstraint {
///     match_attribute: Some("resource.kubernetes.io/pcieRoot".to_owned()),
///     ..FixtureConstraint::default()
/// };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureConstraint {
    /// All have the same value of this attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_attribute: Option<String>,
    /// No two have the same value of this attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_attribute: Option<String>,
    /// The requests it covers; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// Whether it covers requests that the policy does not see.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reaches_beyond: bool,
}

/// Opaque parameters.
///
/// ```
/// use supercargo_guest::{serde_json::json, testkit::FixtureParameters};
/// let parameters = FixtureParameters {
///     driver: "gpu.example.com".to_owned(),
///     json: json!({"sharing": {"replicas": 2}}),
///     ..FixtureParameters::default()
/// };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixtureParameters {
    /// The requests they are for; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// The driver they are meant for.
    pub driver: String,
    /// Whether the device class has them, and not the claim.
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_class: bool,
    /// The parameters.
    pub json: serde_json::Value,
}

/// The value of an attribute, as a ResourceSlice writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FixtureValue {
    /// A whole number.
    Int(i64),
    /// A truth.
    Bool(bool),
    /// Text.
    String(String),
    /// A semantic version.
    Version(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Truths.
    Bools(Vec<bool>),
    /// Texts.
    Strings(Vec<String>),
    /// Semantic versions.
    Versions(Vec<String>),
}

/// Counters of one set.
///
/// ```
/// use supercargo_guest::testkit::Fixture;
/// let fixture = Fixture::new("a.example").counter("board-0", "slices", "8");
/// assert_eq!(fixture.shared_counters.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CounterSet {
    /// The set's name.
    pub name: String,
    /// What there is of each.
    pub counters: BTreeMap<String, Amount>,
}

/// What a device draws from one counter set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draw {
    /// The set.
    pub counter_set: String,
    /// How much of each.
    pub counters: BTreeMap<String, Amount>,
}

/// A quantity as Kubernetes writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// The quantity, such as `80Gi`.
    #[serde(deserialize_with = "number_or_text")]
    pub value: String,
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(i64),
        Text(String),
    }
    Ok(match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => number.to_string(),
        NumberOrText::Text(text) => text,
    })
}
