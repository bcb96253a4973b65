//! The plugin watcher's part.

use tonic::Code;

use super::*;
use crate::node::plugin::Registration;
use crate::node::plugin::proto::registration::registration_client::RegistrationClient;
use crate::node::plugin::proto::registration::{InfoRequest, RegistrationStatus};

async fn watcher(folders: &Folders) -> RegistrationClient<Channel> {
    RegistrationClient::new(dial(&folders.paths(None).registration).await.unwrap())
}

fn told(plugin_registered: bool, error: &str) -> RegistrationStatus {
    RegistrationStatus {
        plugin_registered,
        error: error.to_owned(),
    }
}

#[tokio::test]
async fn the_kubelet_learns_what_the_driver_serves_and_where() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    assert_eq!(
        *node.plugin.registration().borrow(),
        Registration::Unregistered
    );
    let mut kubelet = watcher(&folders).await;

    let info = kubelet.get_info(InfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.r#type, "DRAPlugin");
    assert_eq!(info.name, "gpu.example.com");
    assert_eq!(
        info.supported_versions,
        [
            "v1.DRAPlugin",
            "v1beta1.DRAPlugin",
            "v1.DRAResourceHealth",
            "v1alpha1.DRAResourceHealth"
        ]
    );
    let answer = Kubelet(dial(Path::new(&info.endpoint)).await.unwrap())
        .prepare(vec![claim("x", "1")])
        .await;
    assert_eq!(answer.unwrap().claims.len(), 1);

    kubelet
        .notify_registration_status(told(true, ""))
        .await
        .unwrap();
    assert_eq!(
        *node.plugin.registration().borrow(),
        Registration::Registered
    );
}

#[tokio::test]
async fn a_refusal_is_told_back_and_ends_when_a_restarted_kubelet_registers_again() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;

    let refused = watcher(&folders)
        .await
        .notify_registration_status(told(false, "version is not supported"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("version is not supported"));
    assert_eq!(
        *node.plugin.registration().borrow(),
        Registration::Failed("version is not supported".to_owned())
    );

    let mut restarted = watcher(&folders).await;
    restarted.get_info(InfoRequest {}).await.unwrap();
    restarted
        .notify_registration_status(told(true, ""))
        .await
        .unwrap();
    assert_eq!(
        *node.plugin.registration().borrow(),
        Registration::Registered
    );
}
