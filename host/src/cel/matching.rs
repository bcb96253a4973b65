//! Whether a selector matches a device.

use k8s_openapi::api::resource::v1::Device;

use super::device::Domains;
use super::evaluate::{Failure, Frame};
use super::plan::Program;
use super::value::Value;
use super::{CelError, ErrorKind, Match};

/// The stack for trees too deep for any thread's: the length of a selector bounds how deep.
pub(crate) const DEEP_STACK: usize = 64 << 20;

/// What to do about a key that is not there.
const HINT: &str = ". consider using CEL optional chaining (.? followed by orValue()) or guarding \
                    the check with has() for optional fields";

impl Program {
    /// Evaluates the selector for a device of a driver.
    pub(crate) fn matches(&self, driver: &str, device: &Device) -> Result<Match, CelError> {
        if self.deep {
            return self.matches_deep(driver, device);
        }
        self.evaluate(driver, device)
    }

    #[cold]
    fn matches_deep(&self, driver: &str, device: &Device) -> Result<Match, CelError> {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("cel-evaluate".to_owned())
                .stack_size(DEEP_STACK)
                .spawn_scoped(scope, || self.evaluate(driver, device))
                .ok()
                .and_then(|thread| thread.join().ok())
        })
        .unwrap_or_else(|| {
            Err(CelError {
                kind: ErrorKind::Other,
                message: "the selector nests too deeply to be evaluated here: no thread could be \
                          started for it"
                    .to_owned(),
                cost: 0,
            })
        })
    }

    fn evaluate(&self, driver: &str, device: &Device) -> Result<Match, CelError> {
        let domains = Domains {
            driver,
            device: Some(device),
        };
        domains.check().map_err(|failure| explain(&failure, 0))?;
        let mut frame = Frame::new(domains, &self.initial);
        let answer = self.root.evaluate(&mut frame);
        let cost = frame.cost();
        match answer {
            Ok(value) => match verdict(&value) {
                Some(matches) => Ok(Match { matches, cost }),
                None => Err(CelError {
                    kind: ErrorKind::NotBool,
                    message: format!(
                        "CEL result of type {} could not be converted to bool",
                        value.type_name()
                    ),
                    cost,
                }),
            },
            Err(failure) => Err(explain(&failure, cost)),
        }
    }
}

/// The answer that a result is. Upstream looks into optionals.
fn verdict(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Optional(Some(value)) => verdict(value),
        _ => None,
    }
}

#[cold]
fn explain(failure: &Failure, cost: u64) -> CelError {
    let mut message = failure.message().to_owned();
    if failure.kind() == ErrorKind::NoSuchKey {
        message.push_str(HINT);
    }
    CelError {
        kind: failure.kind(),
        message,
        cost,
    }
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
