//! What is known about the machine before an instruction.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::Register;

use crate::value::{ELSEWHERE, Value};

/// A register or what is in memory: words of eight bytes.
pub(crate) type Words = [Value; 8];

/// Registers that a function leaves as they were.
const SAVED: [Register; 6] = [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

pub(crate) fn join_all(words: &Words) -> Value {
    words.iter().copied().map(Value::any_number).fold(Value::Number, Value::join)
}

fn join_held(one: Option<Value>, other: Option<Value>) -> Option<Value> {
    one.map_or(other, |one| Some(other.map_or(one, |other| one.join(other))))
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    general: [Value; 16],
    vectors: [Words; 32],
    masks: [Value; 8],
    /// Whether the flags depend on secrets.
    pub(crate) secret_flags: bool,
    pub(crate) stack: Stack,
    /// What was written to what was allocated in each place, if anything was.
    heap: [Option<Value>; 63],
}

impl State {
    /// Before a function of which nothing is known but its arguments.
    pub(crate) fn entry(arguments: &[(Register, Value)]) -> Self {
        let mut state = Self {
            general: [Value::Foreign; 16],
            vectors: [[Value::Number; 8]; 32],
            masks: [Value::Number; 8],
            secret_flags: false,
            stack: Stack::default(),
            heap: [None; 63],
        };
        state.set(Register::RSP, &[Value::Stack { offset: 0, exact: true }; 8]);
        arguments.iter().for_each(|(register, value)| state.set(*register, &[*value; 8]));
        state
    }

    /// At the entry of a function that is called here: registers that are no arguments are not to be used.
    pub(crate) fn called(&self, arguments: &[Register], stack_pointer: Value) -> Self {
        let mut state = self.clone();
        state.general = [Value::Foreign; 16];
        state.set(Register::RSP, &[stack_pointer; 8]);
        arguments.iter().for_each(|register| state.set(*register, &self.get(*register).map(Value::any_number)));
        state
    }

    /// Words of a register; a general one in all places.
    pub(crate) fn get(&self, register: Register) -> Words {
        let (full, number) = (register.full_register(), register.full_register().number());
        if full.is_gpr() {
            [self.general[number]; 8]
        } else if full.is_vector_register() {
            self.vectors[number]
        } else if register.is_k() {
            [self.masks[number]; 8]
        } else {
            // The instruction pointer and segments.
            [Value::Public; 8]
        }
    }

    pub(crate) fn set(&mut self, register: Register, words: &Words) {
        let (full, number) = (register.full_register(), register.full_register().number());
        if full.is_gpr() {
            // What is narrower than 32 bits leaves the rest as it was, which is not to be used if it was not before.
            let old = self.general[number];
            let rest = register.size() < 4 && old != Value::Foreign;
            self.general[number] = if rest { words[0].join(old) } else { words[0] };
        } else if full.is_vector_register() {
            self.vectors[number] = *words;
        } else if register.is_k() {
            self.masks[number] = words[0];
        }
    }

    pub(crate) fn join(&self, other: &Self) -> Self {
        let words = |x: &Words, y: &Words| core::array::from_fn(|i| x[i].join(y[i]));
        Self {
            general: core::array::from_fn(|i| self.general[i].join(other.general[i])),
            vectors: core::array::from_fn(|i| words(&self.vectors[i], &other.vectors[i])),
            masks: core::array::from_fn(|i| self.masks[i].join(other.masks[i])),
            secret_flags: self.secret_flags || other.secret_flags,
            stack: self.stack.join(&other.stack),
            heap: core::array::from_fn(|i| join_held(self.heap[i], other.heap[i])),
        }
    }

    /// What may be in what was allocated in these places. Where nothing was written yet nothing is read, for which an
    /// address of the same places stands in until something is.
    pub(crate) fn load_allocated(&self, places: u64) -> Value {
        let held = self.heap.iter().enumerate().filter(|(i, _)| places >> i & 1 == 1).map(|(_, held)| *held);
        let elsewhere = (places & ELSEWHERE != 0).then_some(Value::Public);
        held.fold(elsewhere, join_held).unwrap_or(Value::Heap(places))
    }

    /// Something is written to what was allocated in one of these places.
    pub(crate) fn store_allocated(&mut self, places: u64, value: Value) {
        let held = self.heap.iter_mut().enumerate().filter(|(i, _)| places >> i & 1 == 1);
        held.for_each(|(_, held)| *held = join_held(*held, Some(value.any_number())));
    }

    /// After a call of a function that left `callee` behind: results and memory are its own, registers that it must
    /// preserve are as before, and others are not to be used.
    pub(crate) fn after_call(&self, callee: &Self) -> Self {
        let mut state = callee.called(&[Register::RAX, Register::RDX], self.get(Register::RSP)[0]);
        if let Value::Stack { offset, exact: true } = self.get(Register::RSP)[0] {
            state.stack.discard_below(offset);
        }
        SAVED.iter().for_each(|register| state.set(*register, &self.get(*register)));
        state
    }

    /// After a call of which nothing is known: vectors may hold anything.
    pub(crate) fn after_unknown_call(&self) -> Self {
        let mut after = self.clone();
        after.vectors = [[Value::Secret; 8]; 32];
        after.masks = [Value::Secret; 8];
        after.secret_flags = true;
        [Register::RAX, Register::RDX].iter().for_each(|register| after.set(*register, &[Value::Foreign; 8]));
        self.after_call(&after)
    }
}

/// The stack of the function and of its callers, in words of eight bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stack {
    /// What was written last.
    words: BTreeMap<i64, Value>,
    /// What may have been written somewhere from one place to another, where nothing was written since.
    somewhere: BTreeMap<(i64, i64), Value>,
    /// Where a general register was written last.
    registers: BTreeSet<i64>,
}

impl Stack {
    fn word(&self, offset: i64) -> Value {
        let reaching = |((from, to), value): (&(i64, i64), &Value)| (*from..*to).contains(&offset).then_some(*value);
        let somewhere = || self.somewhere.iter().filter_map(reaching).fold(Value::Number, Value::join);
        self.words.get(&offset).copied().unwrap_or_else(somewhere)
    }

    /// Eight words at a place.
    pub(crate) fn load(&self, offset: i64) -> Words {
        core::array::from_fn(|i| {
            let first = offset + 8 * i as i64;
            self.word(first & !7).join(self.word((first + 7) & !7))
        })
    }

    /// What is somewhere from one place to another. Registers put by are no part of what an index can reach.
    pub(crate) fn load_somewhere(&self, from: i64, to: i64) -> Value {
        let known = self.words.range((from & !7)..to).map(|(_, word)| *word).filter(|word| *word != Value::Foreign);
        let overlapping = self.somewhere.iter().filter(|((start, end), _)| *start < to && from < *end);
        known.chain(overlapping.map(|(_, value)| *value)).fold(Value::Number, Value::join)
    }

    pub(crate) fn store_register(&mut self, offset: i64, value: Value) {
        self.store(offset, &[value.any_number(); 8], 8, true);
        self.registers.insert(offset);
    }

    pub(crate) fn store(&mut self, offset: i64, words: &Words, bytes: usize, surely: bool) {
        for i in 0..bytes.div_ceil(8) as i64 {
            let whole = surely && offset & 7 == 0 && bytes as i64 >= 8 * (i + 1);
            for place in [(offset + 8 * i) & !7, (offset + 8 * i + 7) & !7] {
                let old = if whole { Value::Number } else { self.word(place) };
                self.words.insert(place, words[i as usize].join(old));
                self.registers.remove(&place);
            }
        }
    }

    /// What a function that has returned kept below: nothing reads it again.
    fn discard_below(&mut self, offset: i64) {
        self.words.retain(|place, _| *place + 8 > offset);
        self.registers.retain(|place| *place + 8 > offset);
        self.somewhere.retain(|(_, to), _| *to > offset);
    }

    /// Something is written somewhere from one place to another, but where a general register is if it comes from vectors.
    pub(crate) fn store_somewhere(&mut self, from: i64, to: i64, value: Value, from_vectors: bool) {
        let spared =
            |place: &i64, word: Value| word == Value::Foreign || from_vectors && self.registers.contains(place);
        let reached = self.words.range_mut((from & !7)..to).filter(|(place, word)| !spared(place, **word));
        reached.for_each(|(_, word)| *word = word.join(value));
        let known = self.somewhere.entry((from & !7, to)).or_insert(Value::Number);
        *known = known.join(value);
    }

    fn join(&self, other: &Self) -> Self {
        let places = self.words.keys().chain(other.words.keys());
        let words = places.map(|&place| (place, self.word(place).join(other.word(place)))).collect();
        let mut somewhere = self.somewhere.clone();
        for (reach, value) in &other.somewhere {
            let known = somewhere.entry(*reach).or_insert(Value::Number);
            *known = known.join(*value);
        }
        Self { words, somewhere, registers: self.registers.intersection(&other.registers).copied().collect() }
    }
}
