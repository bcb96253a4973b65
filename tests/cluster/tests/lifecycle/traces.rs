//! Traces reach whoever collects them.

use supercargo_cluster::devices::{SOON, manifest, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Driver, DriverOptions, supercargo, until};

use crate::collector::Collector;
use crate::options;

pub(crate) async fn whoever_collects_traces_sees_a_claim_come_and_go(bed: &Bed) -> Outcome {
    let collector = Collector::start().await?;
    let endpoint = collector.endpoint.clone();
    let options = DriverOptions {
        environment: vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint)],
        ..options(bed).await?
    };
    let node = &bed.nodes()[0];
    let driver = Driver::start(bed, node, &supercargo()?, &options)?;
    driver.ready().await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    running(bed, &namespace, "one-gpu").await?;
    bed.nothing_stays(&namespace).await?;
    until(SOON, "both spans arrive", async || {
        let spans = collector.spans("namespace").await;
        let has = |name: &str| {
            let span = ["supercargo-node", name, &namespace].map(str::to_owned);
            spans.contains(&span)
        };
        Ok((has("prepare") && has("unprepare")).then_some(()))
    })
    .await?;
    Ok(())
}
