//! Queries as they came: messages stay in their bytes until an operation needs them whole.

use std::sync::OnceLock;

use super::Evaluator;
use crate::plan::{AddendId, FactorId, Op, Plan, Register};

/// An evaluator that reads messages in their bytes.
pub(crate) trait Unpack: Evaluator {
    /// A message in its bytes, known to be well formed.
    type Packed: Send + Sync;

    /// The message of an input register, as [`Evaluator::finish`] would have it.
    fn finish_packed(&self, register: Register, packed: Self::Packed) -> Self::Packed {
        let _ = register;
        packed
    }

    /// The whole message.
    fn expand(&self, packed: &Self::Packed) -> Self::Value;

    /// As [`Evaluator::inner_product`], of messages that are not made whole.
    ///
    /// # Errors
    /// See [`Evaluator::inner_product`].
    fn inner_product_packed(&self, terms: &[&Self::Packed], plains: &[FactorId]) -> Result<Self::Value, Self::Error>;
}

/// What a register holds.
#[derive(Debug)]
pub(crate) enum Message<P, V> {
    /// A message of the query.
    Packed(Packed<P, V>),
    /// What an operation made.
    Whole(V),
}

/// A message in its bytes, expanded at most once.
#[derive(Debug)]
pub(crate) struct Packed<P, V> {
    packed: P,
    /// Whether no more than one operation reads it.
    once: bool,
    whole: OnceLock<V>,
}

/// The inputs of a plan, from the messages of a query.
pub(crate) fn inputs<P, V>(plan: &Plan, messages: Vec<P>) -> Vec<Message<P, V>> {
    let mut uses = vec![0; plan.inputs()];
    for register in plan.ops().iter().flat_map(Op::inputs) {
        uses.get_mut(register.0).into_iter().for_each(|count| *count += 1);
    }
    let input = |(packed, uses)| Message::Packed(Packed { packed, once: uses <= 1, whole: OnceLock::new() });
    messages.into_iter().zip(uses).map(input).collect()
}

/// Runs plans on queries with another evaluator. A sum of products of messages that nothing else reads takes them from
/// their bytes; any other operation finds them whole.
#[derive(Debug)]
pub(crate) struct FromBytes<E>(pub(crate) E);

/// What [`FromBytes`] works on.
type Value<E> = Message<<E as Unpack>::Packed, <E as Evaluator>::Value>;

impl<E: Unpack> FromBytes<E> {
    fn whole<'v>(&self, message: &'v Value<E>) -> &'v E::Value {
        match message {
            Message::Packed(Packed { packed, whole, .. }) => whole.get_or_init(|| self.0.expand(packed)),
            Message::Whole(whole) => whole,
        }
    }

    fn all_whole<'v>(&self, messages: &[&'v Value<E>]) -> Vec<&'v E::Value> {
        messages.iter().map(|message| self.whole(message)).collect()
    }

    /// The whole message.
    pub(crate) fn keep(&self, message: Value<E>) -> E::Value {
        match message {
            Message::Packed(Packed { packed, whole, .. }) => {
                whole.into_inner().unwrap_or_else(|| self.0.expand(&packed))
            }
            Message::Whole(whole) => whole,
        }
    }
}

/// All of some messages in their bytes, if no other operation reads one of them.
fn all_packed<'v, P, V>(messages: &[&'v Message<P, V>]) -> Option<Vec<&'v P>> {
    let packed = |message: &&'v Message<P, V>| match message {
        Message::Packed(Packed { packed, once: true, .. }) => Some(packed),
        _ => None,
    };
    messages.iter().map(packed).collect()
}

impl<E: Unpack> Evaluator for FromBytes<E> {
    type Value = Value<E>;
    type Error = E::Error;

    fn linear_combination(&self, terms: &[&Value<E>], weights: &[i64]) -> Result<Value<E>, E::Error> {
        self.0.linear_combination(&self.all_whole(terms), weights).map(Message::Whole)
    }

    fn sum(&self, terms: &[&Value<E>]) -> Result<Value<E>, E::Error> {
        self.0.sum(&self.all_whole(terms)).map(Message::Whole)
    }

    fn add_plain(&self, a: &Value<E>, plain: AddendId) -> Result<Value<E>, E::Error> {
        self.0.add_plain(self.whole(a), plain).map(Message::Whole)
    }

    fn inner_product(&self, terms: &[&Value<E>], plains: &[FactorId]) -> Result<Value<E>, E::Error> {
        let product = match all_packed(terms) {
            Some(packed) => self.0.inner_product_packed(&packed, plains),
            None => self.0.inner_product(&self.all_whole(terms), plains),
        };
        product.map(Message::Whole)
    }

    fn rotate(&self, a: &Value<E>, steps: isize) -> Result<Value<E>, E::Error> {
        self.0.rotate(self.whole(a), steps).map(Message::Whole)
    }

    fn rotate_many(&self, a: &Value<E>, steps: &[isize]) -> Result<Vec<Value<E>>, E::Error> {
        let rotated = self.0.rotate_many(self.whole(a), steps)?;
        Ok(rotated.into_iter().map(Message::Whole).collect())
    }

    fn sum_rotations(&self, terms: &[(&Value<E>, &[isize])]) -> Result<Value<E>, E::Error> {
        let terms: Vec<_> = terms.iter().map(|(message, steps)| (self.whole(message), *steps)).collect();
        self.0.sum_rotations(&terms).map(Message::Whole)
    }

    fn conjugate(&self, a: &Value<E>) -> Result<Value<E>, E::Error> {
        self.0.conjugate(self.whole(a)).map(Message::Whole)
    }

    fn square(&self, a: &Value<E>) -> Result<Value<E>, E::Error> {
        self.0.square(self.whole(a)).map(Message::Whole)
    }

    fn multiply(&self, a: &Value<E>, b: &Value<E>) -> Result<Value<E>, E::Error> {
        self.0.multiply(self.whole(a), self.whole(b)).map(Message::Whole)
    }

    fn multiply_rescaled(&self, a: &Value<E>, b: &Value<E>, level: usize) -> Result<Value<E>, E::Error> {
        self.0.multiply_rescaled(self.whole(a), self.whole(b), level).map(Message::Whole)
    }

    fn switch_to(&self, a: &Value<E>, level: usize) -> Result<Value<E>, E::Error> {
        self.0.switch_to(self.whole(a), level).map(Message::Whole)
    }

    fn rescale(&self, a: &Value<E>, level: usize) -> Result<Value<E>, E::Error> {
        self.0.rescale(self.whole(a), level).map(Message::Whole)
    }

    fn finish(&self, register: Register, value: Value<E>) -> Value<E> {
        match value {
            Message::Packed(Packed { packed, once, whole }) => {
                Message::Packed(Packed { packed: self.0.finish_packed(register, packed), once, whole })
            }
            Message::Whole(whole) => Message::Whole(self.0.finish(register, whole)),
        }
    }

    fn recycle(&self, value: Value<E>) {
        let memory = match value {
            Message::Packed(Packed { whole, .. }) => whole.into_inner(),
            Message::Whole(whole) => Some(whole),
        };
        memory.into_iter().for_each(|value| self.0.recycle(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use core::convert::Infallible;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    use tacit_model::{Conv2d, Dense, Input, Layer, Network, Op, Padding, Scale};

    use super::*;
    use crate::evaluate::clear::Complex;
    use crate::evaluate::{Clear, Sequential, run};
    use crate::{Deployment, Goal, Scheme};

    /// Counts how often something is made of its bytes.
    type Counted = (Vec<Complex>, Arc<AtomicUsize>);

    impl Unpack for Clear<'_> {
        type Packed = Counted;

        fn expand(&self, (slots, count): &Counted) -> Vec<Complex> {
            count.fetch_add(1, Ordering::Relaxed);
            slots.clone()
        }

        fn inner_product_packed(&self, terms: &[&Counted], plains: &[FactorId]) -> Result<Vec<Complex>, Infallible> {
            self.inner_product(&terms.iter().map(|(slots, _)| slots).collect::<Vec<_>>(), plains)
        }
    }

    fn network() -> Network {
        let conv = Conv2d {
            maps: 2,
            channels: 1,
            kernel: [2, 2],
            stride: [2, 2],
            padding: Padding::default(),
            weights: vec![1, -1, 2, 3, -2, 1, 1, 1],
            bias: vec![1, -1],
        };
        let dense = Dense { outputs: 3, inputs: 8, weights: (0..24).map(|i| i % 5 - 2).collect(), bias: vec![1, 2, 3] };
        let layer = |name: &str, op| Layer { name: name.into(), op };
        let layers =
            vec![layer("conv", Op::Conv2d(conv)), layer("square", Op::Square), layer("dense", Op::Dense(dense))];
        let input = Input { shape: [1, 4, 4], scale: Scale::new(1, 64).unwrap() };
        Network::new("small", input, layers, ["a", "b", "c"].map(String::from).into()).unwrap()
    }

    /// What a plan computes from bytes, and how many of its messages were made whole.
    fn expansions(goal: Goal, scheme: Scheme) -> (usize, usize) {
        let deployment = Deployment::new(&network(), goal, scheme).unwrap();
        let plan = deployment.lowered().plan();
        let clear = Clear::new(plan, (1 << 61) - 1);
        let slots = |i: usize| (0..20).map(|k| ((3 * i + k) as i64 % 7, 0)).collect::<Vec<_>>();
        let messages: Vec<_> = (0..plan.inputs()).map(|i| clear.message(&slots(i))).collect();
        let expected = run(plan, &clear, messages.clone(), &Sequential, &|_, _| {}).unwrap();

        let count = Arc::new(AtomicUsize::new(0));
        let packed = messages.into_iter().map(|message| (message, Arc::clone(&count))).collect();
        let evaluator = FromBytes(clear);
        let outputs = run(plan, &evaluator, inputs(plan, packed), &Sequential, &|_, _| {}).unwrap();
        let outputs: Vec<_> = outputs.into_iter().map(|output| evaluator.keep(output)).collect();
        assert_eq!(outputs, expected, "{goal:?} {scheme:?}");
        (plan.inputs(), count.load(Ordering::Relaxed))
    }

    /// One sum of products reads all messages of the one plan; several maps read those of the other, which are made once.
    #[test]
    fn messages_are_made_whole_at_most_once_and_only_if_needed() {
        let (_, expanded) = expansions(Goal::Latency, Scheme::Bfv);
        assert_eq!(expanded, 0);
        let (messages, expanded) = expansions(Goal::Paper, Scheme::Bfv);
        assert_eq!(expanded, messages);
    }
}
