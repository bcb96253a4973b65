//! Which claims may hold what another one holds.

use serde_json::json;

use super::node::{Claim, node, prepare, refused};

#[tokio::test]
async fn a_device_is_never_in_two_claims() {
    let (_folder, node) = node();
    let (first, second) = (
        Claim::of("a", &["gpu-0"]),
        Claim::of("b", &["gpu-1", "gpu-0"]),
    );
    node.has(&first);
    node.has(&second);
    let (claims, _) = node.start().await;
    prepare(&claims, &first).await.unwrap();
    let before = node.state();
    let error = refused(&claims, &second).await;
    assert!(
        error.contains("device gpu-0 is still prepared for claim default/a"),
        "{error}"
    );
    assert_eq!(node.state(), before);

    claims.unprepare(&first.uid).await.unwrap();
    prepare(&claims, &second).await.unwrap();
}

#[tokio::test]
async fn hardware_is_never_in_two_claims_whatever_it_is_called() {
    let (_folder, node) = node();
    let first = Claim::of("a", &["gpu-0"]);
    let part = |name: &str, device: &str| Claim::of(name, &[device]);
    let renamed = part("b", "site-0");
    let (inside, beside) = (
        part("c", "gpu-0-mig-1g10gb-19-0"),
        part("d", "gpu-0-mig-1g10gb-19-1"),
    );
    let around = part("e", "gpu-0-mig-2g20gb-14-0");
    for claim in [&first, &renamed, &inside, &beside, &around] {
        node.has(claim);
    }
    let (claims, _) = node.start().await;
    prepare(&claims, &first).await.unwrap();
    assert!(refused(&claims, &inside).await.contains("gpu-0)"));

    // A policy gives the GPU another name.
    drop(claims);
    let (claims, _) = node
        .start_announcing(|announced| {
            for one in &mut announced.devices {
                one.device.name = one.device.name.replace("gpu-0", "site-0");
            }
        })
        .await;
    let error = refused(&claims, &renamed).await;
    assert!(
        error.contains("device site-0 (there: gpu-0) is still prepared for claim default/a"),
        "{error}"
    );

    claims.unprepare(&first.uid).await.unwrap();
    let (claims, _) = node.start().await;
    prepare(&claims, &inside).await.unwrap();
    assert!(
        refused(&claims, &around)
            .await
            .contains("there: gpu-0-mig-1g10gb-19-0")
    );
    assert!(
        refused(&claims, &first)
            .await
            .contains("there: gpu-0-mig-1g10gb-19-0")
    );
    prepare(&claims, &beside).await.unwrap();
}

#[tokio::test]
async fn shares_and_administrators_may_be_beside_others() {
    let (_folder, node) = node();
    let share = |name: &str, share: &str| {
        Claim::of(name, &["gpu-0"]).result(json!({"shareID": format!("{share}-0-0-0-0")}))
    };
    let admin = Claim::of("admin", &["gpu-0"]).result(json!({"adminAccess": true}));
    let (one, two, same) = (share("a", "1"), share("b", "2"), share("c", "2"));
    let whole = Claim::of("d", &["gpu-0"]);
    for claim in [&admin, &one, &two, &same, &whole] {
        node.has(claim);
    }
    let (claims, _) = node.start().await;
    prepare(&claims, &one).await.unwrap();
    prepare(&claims, &two).await.unwrap();
    prepare(&claims, &admin).await.unwrap();
    assert!(refused(&claims, &same).await.contains("device gpu-0"));
    assert!(refused(&claims, &whole).await.contains("device gpu-0"));
    claims.unprepare(&one.uid).await.unwrap();
    claims.unprepare(&two.uid).await.unwrap();
    // Only the administrator is left, who is in nobody's way.
    prepare(&claims, &whole).await.unwrap();
}

#[tokio::test]
async fn an_administrator_sees_what_is_there_and_changes_nothing() {
    let (_folder, node) = node();
    let devices = ["gpu-0", "gpu-0-mig-1g10gb-19-0", "gpu-0-mig-3g40gb-9-4"];
    let admin = Claim::of("admin", &devices).result(json!({"adminAccess": true}));
    let user = Claim::of("user", &devices[1..2]);
    node.has(&admin);
    node.has(&user);
    let (claims, _) = node.start().await;
    prepare(&claims, &user).await.unwrap();
    let hardware = |state: std::collections::BTreeMap<String, String>| -> Vec<_> {
        let mut state: Vec<_> = state.into_iter().collect();
        state.retain(|(file, _)| file.starts_with("hardware"));
        state
    };
    let before = hardware(node.state());
    prepare(&claims, &admin).await.unwrap();
    assert_eq!(hardware(node.state()), before);
    let cdi = node.cdi(&admin);
    let shown = |device: usize| cdi["devices"][device]["containerEdits"]["mounts"].is_array();
    assert_eq!([shown(0), shown(1), shown(2)], [true, true, false]);
    // What the administrator looked at is made for the next one all the same.
    claims.unprepare(&user.uid).await.unwrap();
    prepare(&claims, &user).await.unwrap();
}
