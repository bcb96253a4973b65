//! The policy as ordinary Rust: no WebAssembly, no cluster. `supercargo policy test` puts the same
//! fixtures to the finished component.

use my_policy::MyPolicy;
use supercargo_guest::testkit;

#[test]
fn it_says_what_it_is() {
    let description = testkit::describe::<MyPolicy>();
    assert_eq!(description.name, "my-policy");
}
//@ if select

#[test]
fn devices_share_a_numa_node() {
    testkit::expect::<MyPolicy>(include_str!("../fixtures/select.yaml"));
}

#[test]
fn a_claim_that_fits_on_no_numa_node_waits() {
    testkit::expect::<MyPolicy>(include_str!("../fixtures/select-too-many.yaml"));
}
//@ end
