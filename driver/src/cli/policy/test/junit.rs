//! The report that CI systems read.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Tested, random};
use crate::cli::Failure;

pub(super) fn report(
    policy: &str,
    results: &[Tested<'_>],
    found: Option<&random::Search>,
) -> Result<String, Failure> {
    let mut suite = TestSuite::new(policy);
    for tested in results {
        let mut status = TestCaseStatus::success();
        if tested.failed() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(tested.ran.problems.join("; "));
        }
        let mut case = TestCase::new(tested.case.name.as_str(), status);
        case.set_classname(tested.ran.hook.name());
        case.set_time(tested.ran.took);
        suite.add_test_case(case);
    }
    if let Some(found) = found {
        let mut status = TestCaseStatus::success();
        if found.failed() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(found.told());
        }
        suite.add_test_case(TestCase::new("random", status));
    }
    let mut report = Report::new("supercargo policy test");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| std::io::Error::other(error).into())
}
