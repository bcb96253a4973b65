//! Calls.

use super::{Failure, Frame};
use crate::cel::plan::{Call, Callee};
use crate::cel::price::Price;
use crate::cel::value::Value;

impl Call {
    #[inline(never)]
    pub(super) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        match self.args.as_slice() {
            [only] => match only.evaluate(frame) {
                Ok(value) => self.run(&[value], frame),
                Err(failure) => self.fail(vec![Err(failure)], frame),
            },
            [first, second] => {
                let first = first.evaluate(frame);
                if let Err(failure) = &first
                    && (self.sequential || failure.ends_evaluation())
                {
                    return first;
                }
                match (first, second.evaluate(frame)) {
                    (Ok(first), Ok(second)) => self.run(&[first, second], frame),
                    (first, second) => self.fail(vec![first, second], frame),
                }
            }
            nodes => {
                let mut values = Vec::with_capacity(nodes.len());
                for (index, node) in nodes.iter().enumerate() {
                    match node.evaluate(frame) {
                        Ok(value) => values.push(value),
                        Err(failure) if index + 1 == nodes.len() => {
                            let mut args: Vec<_> = values.into_iter().map(Ok).collect();
                            args.push(Err(failure));
                            return self.fail(args, frame);
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                self.run(&values, frame)
            }
        }
    }

    /// Calls with constants.
    pub(crate) fn run_constants(
        &self,
        args: &[Value<'static>],
        frame: &mut Frame<'static>,
    ) -> Result<Value<'static>, Failure> {
        self.run(args, frame)
    }

    /// Calls with arguments that all have values.
    fn run<'a>(&self, args: &[Value<'a>], frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        if self.price == Price::One {
            return self.run_for_one(args, frame);
        }
        let before = if self.price.needs_result() {
            None
        } else {
            Some(self.cost(args, None, frame)?)
        };
        if let Some(cost) = before {
            frame.must_afford(cost)?;
        }
        let result = self.apply(args, frame);
        if matches!(&result, Err(failure) if failure.ends_evaluation()) {
            return result;
        }
        let cost = match before {
            Some(cost) => cost,
            None => self.cost(args, result.as_ref().ok(), frame)?,
        };
        frame.charge(cost)?;
        result
    }

    /// The same for the price that most calls have.
    fn run_for_one<'a>(
        &self,
        args: &[Value<'a>],
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        frame.must_afford(1)?;
        let result = self.apply(args, frame);
        if matches!(&result, Err(failure) if failure.ends_evaluation()) {
            return result;
        }
        frame.charge(1)?;
        result
    }

    fn apply<'a>(&self, args: &[Value<'a>], frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        match &self.callee {
            Callee::Function(function) => function(frame, args),
            Callee::Regex(function, regex) => function.apply(regex, args, frame),
        }
    }

    fn cost<'a>(
        &self,
        args: &[Value<'a>],
        result: Option<&Value<'a>>,
        frame: &mut Frame<'a>,
    ) -> Result<u64, Failure> {
        match args {
            [] => self.price.cost(&[], result, frame),
            [only] => self.price.cost(&[Some(only)], result, frame),
            [first, second] => self.price.cost(&[Some(first), Some(second)], result, frame),
            [first, second, third, ..] => {
                self.price
                    .cost(&[Some(first), Some(second), Some(third)], result, frame)
            }
        }
    }

    /// All arguments were evaluated and some failed: the call is charged and fails like the first.
    #[cold]
    fn fail<'a>(
        &self,
        args: Vec<Result<Value<'a>, Failure>>,
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        if let Some(Err(failure)) = args
            .iter()
            .find(|arg| matches!(arg, Err(failure) if failure.ends_evaluation()))
        {
            return Err(failure.clone());
        }
        let operands: Vec<_> = args.iter().map(|arg| arg.as_ref().ok()).collect();
        let cost = self.price.cost(&operands, None, frame)?;
        frame.charge(cost)?;
        args.into_iter()
            .find(Result::is_err)
            .unwrap_or_else(|| Err(Failure::no_such_overload()))
    }
}
