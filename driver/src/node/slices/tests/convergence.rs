//! Whatever happens to the slices, the pool that is wanted comes back, readers never see a mixture on
//! the way, and then there is nothing left to write.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::apiserver::{ApiServer, Fault};
use super::{announced, owner};
use crate::devices::Announced;
use crate::kubernetes::api::ResourceApi;
use crate::node::slices::keep::Keeper;
use crate::node::slices::pool;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// The node announces something else.
    Announces(Announced),
    /// Somebody changes a slice.
    Edits(Index, Edit),
    /// Somebody deletes a slice.
    Deletes(Index),
    /// Somebody copies a slice under another name; `true`: that says the same place.
    Copies(Index, bool),
    /// An older release's pool.
    LeavesAnotherPool,
    /// The Node is registered anew.
    Reregisters,
    /// The control plane changes.
    Serves(&'static [&'static str]),
    /// Requests that come next go wrong.
    Breaks(Vec<(&'static str, Fault)>),
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    Model,
    NoDevices,
    Count(i64),
    Generation(i64),
    SkipsNode,
    Owner,
    Label,
    Finalizer,
}

impl Edit {
    fn apply(self, slice: &mut Value) {
        let spec = &mut slice["spec"];
        match self {
            Self::Model => {
                if let Some(model) = spec.pointer_mut("/devices/0/attributes/model") {
                    *model = json!({"string": "fake"});
                }
            }
            Self::NoDevices => spec["devices"] = json!([]),
            Self::Count(count) => spec["pool"]["resourceSliceCount"] = json!(count),
            Self::Generation(generation) => spec["pool"]["generation"] = json!(generation),
            Self::SkipsNode => spec["skipNodeOperations"] = json!(["*"]),
            Self::Owner => slice["metadata"]["ownerReferences"] = json!([]),
            Self::Label => slice["metadata"]["labels"] = json!({"a": "b"}),
            Self::Finalizer => {
                slice["metadata"]["finalizers"] = json!(["example.com/keep"]);
                slice["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
        }
    }
}

/// What control planes serve.
const VERSIONS: &[&[&str]] = &[&["v1"], &["v1beta2", "v1beta1"], &["v1beta1"]];

fn pools() -> impl Strategy<Value = Announced> {
    (
        0..200_usize,
        0..20_usize,
        0..3_u8,
        prop::option::of(any::<Index>()),
    )
        .prop_map(|(devices, sets, model, tainted)| {
            let mut pool = announced(devices, sets, &format!("model-{model}"));
            if let Some(tainted) = tainted.filter(|_| devices > 0) {
                let taint = json!([{"key": "example.com/unhealthy", "effect": "NoExecute"}]);
                let device = &mut pool.devices[tainted.index(devices)].device;
                device.taints = serde_json::from_value(taint).unwrap();
            }
            pool
        })
}

fn events() -> impl Strategy<Value = Event> {
    let edits = prop_oneof![
        Just(Edit::Model),
        Just(Edit::NoDevices),
        (1..4_i64).prop_map(Edit::Count),
        (0..9_i64).prop_map(Edit::Generation),
        Just(Edit::Generation(i64::MAX)),
        Just(Edit::SkipsNode),
        Just(Edit::Owner),
        Just(Edit::Label),
        Just(Edit::Finalizer),
    ];
    let verbs = prop_oneof![Just("list"), Just("create"), Just("update"), Just("delete")];
    let faults = prop_oneof![
        Just(Fault::Fails),
        Just(Fault::Forgets),
        Just(Fault::Conflicts),
        Just(Fault::Loses),
    ];
    prop_oneof![
        4 => pools().prop_map(Event::Announces),
        4 => (any::<Index>(), edits).prop_map(|(slice, edit)| Event::Edits(slice, edit)),
        2 => any::<Index>().prop_map(Event::Deletes),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(slice, same)| Event::Copies(slice, same)),
        1 => Just(Event::LeavesAnotherPool),
        1 => Just(Event::Reregisters),
        1 => prop::sample::select(VERSIONS)
            .prop_map(Event::Serves),
        4 => prop::collection::vec((verbs, faults), 1..4).prop_map(Event::Breaks),
    ]
}

fn happens(server: &ApiServer, event: &Event, wanted: &mut Announced) {
    let mut store = server.store();
    let names = store.names();
    let pick =
        |index: &Index| (!names.is_empty()).then(|| names[index.index(names.len())].as_str());
    match event {
        Event::Announces(pool) => wanted.clone_from(pool),
        Event::Edits(slice, edit) => {
            if let Some(name) = pick(slice) {
                store.edit(name, |slice| edit.apply(slice));
            }
        }
        Event::Deletes(slice) => {
            if let Some(name) = pick(slice) {
                store.lose(name);
            }
        }
        Event::Copies(slice, same_place) => {
            if let Some(name) = pick(slice) {
                let copy = store.slices[name].clone();
                let name = if *same_place {
                    format!("{name}-copy")
                } else {
                    format!("copy-{name}")
                };
                store.add(&name, copy);
            }
        }
        Event::LeavesAnotherPool => {
            let spec = json!({"driver": "gpu.example.com", "nodeName": "node-1", "devices": [{"name": "gpu-0"}],
                "pool": {"name": "old", "generation": 1, "resourceSliceCount": 1}});
            let slice = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
                "metadata": {}, "spec": spec});
            store.add(&format!("left-{}", names.len()), slice);
        }
        Event::Reregisters => store.node_uid = Some(format!("uid-of-node-{}", store.writes.len())),
        Event::Serves(versions) => store.served = versions.to_vec(),
        Event::Breaks(faults) => store.faults.extend(faults),
    }
}

/// What a finalizer holds is let go, as somebody will.
fn let_go(server: &ApiServer) {
    let mut store = server.store();
    for name in store.names() {
        if store.slices[&name]["metadata"]["deletionTimestamp"].is_string() {
            store.lose(&name);
        }
    }
}

async fn follow(events: Vec<Event>) -> Result<(), TestCaseError> {
    let server = ApiServer::new();
    let mut keeper = Keeper::new(ResourceApi::new(server.client()), owner());
    let mut wanted = announced(3, 0, "first");
    for event in [&events[..], &[Event::Breaks(Vec::new())]].concat() {
        happens(&server, &event, &mut wanted);
        if matches!(event, Event::Breaks(ref faults) if !faults.is_empty()) {
            continue;
        }
        let specs = pool::desired(&owner(), &wanted).unwrap();
        server.store().allow(&specs);
        // Each fault costs one look at most.
        let mut looks = 0;
        while let Err(problem) = keeper.keep(&specs).await {
            looks += 1;
            prop_assert!(looks < 30, "{}", problem);
            let_go(&server);
        }
        let_go(&server);
        {
            let mut store = server.store();
            let expected = store.announced.last().cloned();
            prop_assert_eq!(store.seen(), expected, "after {:?}", event);
            prop_assert_eq!(&store.mixtures, &Vec::<String>::new());
            prop_assert_eq!(store.slices.len(), specs.len());
            store.writes.clear();
            store.faults.clear();
        }
        keeper.keep(&specs).await.unwrap();
        prop_assert_eq!(
            &server.store().writes,
            &Vec::<String>::new(),
            "nothing was to be done"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 100,
        // A failure is written out as the events that lead to it.
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wanted_pool_comes_back_whatever_happens(events in prop::collection::vec(events(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(follow(events))?;
    }
}
