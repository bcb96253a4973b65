//! Health: what is written to a file becomes an event.

use super::*;

const NOW: Duration = Duration::ZERO;

fn told(event: Option<HealthEvent>) -> String {
    let event = event.unwrap();
    let (unit, device) = (event.unit.map(|unit| unit.0), event.device);
    format!(
        "{unit:?} {device:?} {} {} {}",
        event.source, event.code, event.healthy
    )
}

#[test]
fn what_is_written_to_a_health_file_happens_once_and_passes() {
    let node = node(H100);
    assert_eq!(node.source.next_event(NOW).unwrap(), None);
    node.write("gpu-2/health", "xid 79");
    let address = node.unit(2).0;
    assert_eq!(
        told(node.source.next_event(NOW).unwrap()),
        format!("Some({address:?}) None xid 79 false")
    );
    assert_eq!(node.source.next_event(NOW).unwrap(), None);
    node.write("gpu-2/health", "ok");
    assert_eq!(
        told(node.source.next_event(NOW).unwrap()),
        format!("Some({address:?}) None recovered 0 true")
    );
    node.write("health", "lost");
    assert_eq!(
        told(node.source.next_event(NOW).unwrap()),
        "None None lost 0 false"
    );
}

#[test]
fn a_partition_falls_ill_under_its_own_name() {
    let node = node(A100);
    node.run(
        "claim-a",
        &[instance(node.unit(1), "2g.10gb", Some((4, 2)))],
    )
    .unwrap();
    node.write("gpu-1/mig/4-2/health", "ecc 2");
    let address = node.unit(1).0;
    assert_eq!(
        told(node.source.next_event(NOW).unwrap()),
        format!("Some({address:?}) Some(\"gpu-1-mig-2g10gb-14-4\") ecc 2 false")
    );
}

#[test]
fn a_partition_that_was_ill_takes_its_illness_with_it() {
    let node = node(A100);
    let made = node
        .run(
            "claim-a",
            &[instance(node.unit(1), "2g.10gb", Some((4, 2)))],
        )
        .unwrap();
    node.write("gpu-1/mig/4-2/health", "ecc 2");
    node.source.next_event(NOW).unwrap().unwrap();
    node.undo("claim-a", &made).unwrap();
    let address = node.unit(1).0;
    assert_eq!(
        told(node.source.next_event(NOW).unwrap()),
        format!("Some({address:?}) Some(\"gpu-1-mig-2g10gb-14-4\") recovered 0 true")
    );
    assert_eq!(node.source.next_event(NOW).unwrap(), None);
}

#[test]
fn what_nobody_understands_is_said_once_and_holds_nothing_up() {
    let node = node(H100);
    node.write("gpu-0/health", "on fire");
    let error = node.source.next_event(NOW).unwrap_err().to_string();
    assert!(
        error.contains("gpu-0/health") && error.contains("write ok, xid"),
        "{error}"
    );
    assert_eq!(node.source.next_event(NOW).unwrap(), None);
    node.write("gpu-1/health", "thermal");
    assert!(told(node.source.next_event(NOW).unwrap()).ends_with("thermal 0 false"));
}

#[test]
fn the_script_makes_things_happen_after_so_many_steps() {
    let script =
        "health:\n- {afterSteps: 2, gpu: 1, write: xid 48}\n- {afterSteps: 3, gpu: 1, write: ok}\n";
    let node = node(&format!("{H100}{script}"));
    let steps = [set_time_slice(node.unit(0), TimeSlice::Short)];
    let done = node.run("claim-a", &steps).unwrap();
    assert_eq!(node.source.next_event(NOW).unwrap(), None);
    node.undo("claim-a", &done).unwrap();
    assert!(told(node.source.next_event(NOW).unwrap()).ends_with("xid 48 false"));
    node.run("claim-a", &steps).unwrap();
    assert!(told(node.source.next_event(NOW).unwrap()).ends_with("recovered 0 true"));
}

#[test]
fn an_event_is_not_waited_for_longer_than_it_takes_to_come() {
    let node = node(H100);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.source.next_event(Duration::from_secs(60)));
        node.write("gpu-7/health", "xid 79");
        assert!(waiting.join().unwrap().unwrap().is_some());
    });
}
