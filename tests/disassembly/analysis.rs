//! Follows values through the compiled code of a function and of what it calls, on every path at once.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

use crate::image::{Function, Image, Slot};
use crate::state::{State, join_all};
use crate::value::{ELSEWHERE, Value};

/// What must not be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A secret decides a jump.
    Branch,
    /// A secret decides an address.
    Address,
    /// A secret goes into an instruction whose latency depends on it.
    Latency,
    /// A secret is written where this analysis takes what it reads for public.
    Escape,
    /// Something that this analysis does not follow.
    NotFollowed,
}

#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) violations: BTreeMap<(u64, Kind), String>,
    /// Addresses of the instructions that were followed, and of the conditional jumps among them.
    pub(crate) instructions: BTreeSet<u64>,
    pub(crate) jumps: BTreeSet<u64>,
    /// Names of the functions that were followed.
    pub(crate) functions: BTreeSet<String>,
}

/// Functions that do not come back. They are reached on public conditions only, because every jump is checked.
fn diverges(name: &str) -> bool {
    let failure = ["panic", "fail", "handle_error", "handle_alloc_error"].iter().any(|word| name.contains(word));
    (name.starts_with("core::") || name.starts_with("alloc::") || name.starts_with("<core::")) && failure
}

/// Division of 128 bits, which takes longer for some operands.
fn divides(name: &str) -> bool {
    ["__udivti3", "__umodti3", "__udivmodti4"].iter().any(|division| name.ends_with(division))
}

fn join_states(one: Option<State>, other: Option<State>) -> Option<State> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.join(&other)),
        (one, other) => one.or(other),
    }
}

/// Follows a function of the program that is given these arguments.
pub(crate) fn follow(image: &Image, function: &Function, arguments: &[(Register, Value)]) -> Findings {
    let mut analysis = Analysis {
        image,
        info: InstructionInfoFactory::new(),
        findings: Findings::default(),
        chain: Vec::new(),
        places: Vec::new(),
        published: ELSEWHERE,
    };
    analysis.function(function, 0, State::entry(arguments));
    analysis.findings
}

pub(crate) struct Analysis<'a> {
    pub(crate) image: &'a Image,
    pub(crate) info: InstructionInfoFactory,
    findings: Findings,
    pub(crate) chain: Vec<Call>,
    /// Where something is allocated: the calls that lead there.
    places: Vec<Vec<u64>>,
    /// Of these, what is kept where what is read is taken for public all the way.
    pub(crate) published: u64,
}

/// A function that is being followed.
pub(crate) struct Call {
    start: u64,
    /// Where it was called.
    from: u64,
    pub(crate) entry: State,
    /// Where it finds its arguments on the stack: how far from its stack pointer.
    pub(crate) reads: BTreeSet<i64>,
    /// Whether it writes to the stack of its callers, or to what was allocated and may hold secrets.
    pub(crate) writes: bool,
    /// Where it is called while it is being followed, and with what.
    again: Vec<(Instruction, State)>,
}

/// How far a place on the stack is above a function's stack pointer at its entry, if it is at all.
pub(crate) fn above(entry: &State, place: i64) -> Option<i64> {
    match entry.get(Register::RSP)[0] {
        Value::Stack { offset, .. } if place >= offset => Some(place - offset),
        _ => None,
    }
}

/// Registers of arguments.
const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// Where it goes on, and the state in which the function returns there and then, if it does.
#[derive(Default)]
struct Next {
    targets: Vec<u64>,
    returned: Option<State>,
}

impl Next {
    fn to(targets: Vec<u64>) -> Self {
        Self { targets, returned: None }
    }
}

impl Analysis<'_> {
    /// How far an object on the stack can reach: to the end of the frame that it is in.
    pub(crate) fn frame_end(&self, offset: i64) -> i64 {
        let entries = self.chain.iter().filter_map(|call| match call.entry.get(Register::RSP)[0] {
            Value::Stack { offset, .. } => Some(offset),
            _ => None,
        });
        entries.filter(|entry| *entry > offset).min().unwrap_or(i64::MAX)
    }

    pub(crate) fn report(&mut self, instruction: &Instruction, kind: Kind) {
        let function = self.image.function_at(instruction.ip()).map_or("?", |function| &*function.name);
        let text = format!("{kind:?} at {:#x} in {function}: {instruction}", instruction.ip());
        self.findings.violations.insert((instruction.ip(), kind), text);
    }

    /// The state in which a function returns, if it does.
    fn function(&mut self, function: &Function, from: u64, entry: State) -> Option<State> {
        self.findings.functions.insert(function.name.clone());
        let (reads, writes, again) = (BTreeSet::new(), false, Vec::new());
        self.chain.push(Call { start: function.start, from, entry: entry.clone(), reads, writes, again });
        let (mut before, mut work) = (BTreeMap::from([(function.start, entry)]), vec![function.start]);
        let mut returned: Option<State> = None;
        while let Some(start) = work.pop() {
            let (mut state, mut address) = (before[&start].clone(), start);
            loop {
                let instruction = self.image.instruction(address);
                let next = self.step(function, &instruction, &mut state);
                returned = join_states(returned, next.returned);
                // Straight on, unless something else leads there.
                if next.targets == [instruction.next_ip()] && !before.contains_key(&next.targets[0]) {
                    address = next.targets[0];
                    continue;
                }
                for target in next.targets {
                    let joined = before.get(&target).map_or(state.clone(), |old| old.join(&state));
                    if before.get(&target) != Some(&joined) {
                        before.insert(target, joined);
                        work.push(target);
                    }
                }
                break;
            }
        }
        if let Some(call) = self.chain.pop() {
            self.check_recursion(&call);
        }
        returned
    }

    /// By induction: what holds of a call holds of one within it that is given no more secrets, if neither writes to the
    /// stack of its callers, nor to what was allocated and may hold secrets. What was taken for a number was not used as an address, so that it may be one.
    fn check_recursion(&mut self, call: &Call) {
        let covers = |outer: Value, inner| {
            let unused = inner == Value::Foreign;
            unused || outer.join(inner) == outer || outer == Value::Number && inner == Value::Public
        };
        for (instruction, inner) in &call.again {
            let register = |register: Register| covers(call.entry.get(register)[0], inner.get(register)[0]);
            let registers = ARGUMENTS.iter().all(|&argument| register(argument) || !self.reads(call.start, argument));
            let argument = |state: &State, place: i64| match state.get(Register::RSP)[0] {
                Value::Stack { offset, exact: true } => state.stack.load(offset + place)[0],
                _ => Value::Secret,
            };
            let stack = call.reads.iter().all(|&place| covers(argument(&call.entry, place), argument(inner, place)));
            if !registers || !stack || call.writes {
                self.report(instruction, Kind::NotFollowed);
            }
        }
    }

    /// Whether a function may read what it finds in a register, other than to hand it to itself.
    fn reads(&mut self, start: u64, argument: Register) -> bool {
        let Some(function) = self.image.function_at(start) else { return true };
        let (mut seen, mut work) = (BTreeSet::new(), vec![start]);
        while let Some(address) = work.pop() {
            if !(function.start..function.end).contains(&address) {
                return true;
            }
            if !seen.insert(address) {
                continue;
            }
            let instruction = self.image.instruction(address);
            let used = self.info.info(&instruction).used_registers().iter();
            let used = used.filter(|used| used.register().full_register() == argument);
            let accesses: Vec<_> = used.map(|used| (used.access(), used.register().size())).collect();
            if accesses.iter().any(|(access, _)| *access != OpAccess::Write) {
                return true;
            }
            let written = accesses.iter().any(|(_, size)| *size >= 4);
            match instruction.flow_control() {
                _ if written => {}
                FlowControl::Next => work.push(instruction.next_ip()),
                FlowControl::ConditionalBranch => {
                    work.extend([instruction.next_ip(), instruction.near_branch_target()]);
                }
                FlowControl::UnconditionalBranch => work.push(instruction.near_branch_target()),
                FlowControl::Return | FlowControl::Exception => {}
                // It does not survive a call.
                FlowControl::Call if instruction.near_branch_target() == start => {}
                FlowControl::IndirectCall if self.fails(&instruction) => {}
                _ => return true,
            }
        }
        false
    }

    /// Whether an instruction calls what does not come back.
    fn fails(&self, call: &Instruction) -> bool {
        let slot = call.is_ip_rel_memory_operand().then(|| self.image.code(call.ip_rel_memory_address()));
        let Some(Some(Slot::Address(target))) = slot else { return false };
        self.image.function_at(target).is_some_and(|function| diverges(&function.name))
    }

    fn step(&mut self, function: &Function, instruction: &Instruction, state: &mut State) -> Next {
        self.findings.instructions.insert(instruction.ip());
        let through = Next::to(vec![instruction.next_ip()]);
        match instruction.flow_control() {
            FlowControl::Next => {
                self.execute(instruction, state);
                through
            }
            FlowControl::ConditionalBranch => {
                self.findings.jumps.insert(instruction.ip());
                let counter = instruction.is_jcx_short();
                if if counter { state.get(Register::RCX)[0].is_secret() } else { state.secret_flags } {
                    self.report(instruction, Kind::Branch);
                }
                let mut next = self.jump(function, instruction, state);
                next.targets.extend(through.targets);
                next
            }
            FlowControl::UnconditionalBranch => self.jump(function, instruction, state),
            FlowControl::IndirectBranch => self.indirect_jump(function, instruction, state),
            FlowControl::Return => Next { targets: Vec::new(), returned: Some(state.clone()) },
            FlowControl::Call | FlowControl::IndirectCall => {
                let callees = match instruction.flow_control() {
                    FlowControl::Call => vec![instruction.near_branch_target()],
                    _ => self.callees(instruction, state),
                };
                match self.enter_all(instruction, &callees, state, 8) {
                    Some(returned) => {
                        *state = returned;
                        through
                    }
                    None => Next::default(),
                }
            }
            FlowControl::Exception => Next::default(),
            _ => {
                self.report(instruction, Kind::NotFollowed);
                Next::default()
            }
        }
    }

    /// A jump out of the function is a call in the last place.
    fn jump(&mut self, function: &Function, instruction: &Instruction, state: &State) -> Next {
        let target = instruction.near_branch_target();
        if (function.start..function.end).contains(&target) {
            return Next::to(vec![target]);
        }
        Next { targets: Vec::new(), returned: self.enter_all(instruction, &[target], state, 0) }
    }

    /// A table of the function's own addresses, as compilers make it of a `match`, or a call in the last place.
    fn indirect_jump(&mut self, function: &Function, instruction: &Instruction, state: &State) -> Next {
        let table = self.nearest_table(function, instruction);
        let entries = (0..).map_while(|i| {
            let target = self.image.jump_table_entry(table?, i)?;
            (function.start..function.end).contains(&target).then_some(target)
        });
        let register = instruction.op_kind(0) == OpKind::Register;
        if register && state.get(instruction.op0_register())[0] == Value::Public {
            let targets: Vec<_> = entries.collect();
            if targets.is_empty() {
                self.report(instruction, Kind::NotFollowed);
            }
            return Next::to(targets);
        }
        let callees = self.callees(instruction, state);
        Next { targets: Vec::new(), returned: self.enter_all(instruction, &callees, state, 0) }
    }

    /// The last address of data that is named above an instruction.
    fn nearest_table(&self, function: &Function, instruction: &Instruction) -> Option<u64> {
        let after = |address: &u64| Some(self.image.instruction(*address).next_ip());
        let above =
            core::iter::successors(Some(function.start), after).take_while(|address| *address < instruction.ip());
        let tables =
            above.map(|address| self.image.instruction(address)).filter(|above| above.mnemonic() == Mnemonic::Lea);
        tables.filter(Instruction::is_ip_rel_memory_operand).map(|lea| lea.ip_rel_memory_address()).last()
    }

    /// What an indirect call calls.
    fn callees(&mut self, instruction: &Instruction, state: &State) -> Vec<u64> {
        let target = self.operand(instruction, 0, state)[0];
        match target {
            Value::Code([one, other]) if one == other => vec![one],
            Value::Code(both) => both.to_vec(),
            _ => {
                self.report(instruction, if target.is_secret() { Kind::Branch } else { Kind::NotFollowed });
                Vec::new()
            }
        }
    }

    /// The state after a call of one of these functions, if any of them comes back.
    fn enter_all(&mut self, instruction: &Instruction, callees: &[u64], state: &State, pushed: i64) -> Option<State> {
        callees.iter().fold(None, |returned, &callee| {
            let other = match self.image.code(callee) {
                Some(Slot::Address(target)) => self.enter(instruction, target, state, pushed),
                Some(Slot::Import(name)) if ["memcpy", "memmove", "memset"].contains(&&*name) => {
                    Some(self.memory_function(instruction, &name, state))
                }
                Some(Slot::Import(name))
                    if ["malloc", "calloc", "realloc", "posix_memalign", "free"].contains(&&*name) =>
                {
                    Some(self.allocator(instruction, &name, state))
                }
                _ => {
                    self.report(instruction, Kind::NotFollowed);
                    None
                }
            };
            join_states(returned, other)
        })
    }

    /// Copies or fills. Where the length is no constant, they may reach to the end of a frame.
    fn memory_function(&mut self, instruction: &Instruction, name: &str, state: &State) -> State {
        let [to, from, length] = [Register::RDI, Register::RSI, Register::RDX].map(|register| state.get(register)[0]);
        if [to, length].iter().any(|value| value.is_secret()) || name != "memset" && from.is_secret() {
            self.report(instruction, Kind::Address);
        }
        let inexact = |value: Value| value.mix(Value::Public);
        let words = if name == "memset" { [from; 8] } else { self.load(instruction, inexact(from), state) };
        let mut after = state.clone();
        match (to, length) {
            (Value::Stack { offset, exact: true }, Value::Constant(length)) => {
                after.stack.store_somewhere(offset, offset + length as i64, join_all(&words), false);
            }
            _ => self.store(instruction, inexact(to), &[join_all(&words); 8], 64, false, &mut after),
        }
        after.set(Register::RAX, &[to; 8]);
        state.after_call(&after)
    }

    /// What is allocated is told apart by the calls that led there. What is released must be public where it points, and
    /// what is moved is taken along.
    fn allocator(&mut self, instruction: &Instruction, name: &str, state: &State) -> State {
        let public = |register: &Register| !state.get(*register)[0].is_secret();
        let count = match name {
            "malloc" | "free" => 1,
            "calloc" | "realloc" => 2,
            _ => 3,
        };
        if !ARGUMENTS[..count].iter().all(public) {
            self.report(instruction, Kind::Address);
        }
        let mut after = state.clone();
        let allocated = if name == "free" { Value::Number } else { self.allocated(instruction) };
        let first = state.get(Register::RDI)[0];
        let result = match (name, first) {
            ("posix_memalign", _) => {
                self.store(instruction, first, &[allocated; 8], 8, true, &mut after);
                Value::Number
            }
            // What is moved may be where it was.
            ("realloc", old) => old.join(allocated),
            _ => allocated,
        };
        match (name, result) {
            ("calloc", Value::Heap(places)) => after.store_allocated(places, Value::Number),
            ("realloc", Value::Heap(places)) => after.store_allocated(places, state.load_allocated(places)),
            _ => {}
        }
        after.set(Register::RAX, &[result; 8]);
        state.after_call(&after)
    }

    /// Where the calls that led here allocate.
    fn allocated(&mut self, instruction: &Instruction) -> Value {
        let place: Vec<_> = self.chain.iter().map(|call| call.from).chain([instruction.ip()]).collect();
        let known = self.places.iter().position(|other| *other == place).unwrap_or(self.places.len());
        if known == self.places.len() {
            self.places.push(place);
        }
        if known >= ELSEWHERE.trailing_zeros() as usize {
            self.report(instruction, Kind::NotFollowed);
            return Value::Lost;
        }
        Value::Heap(1 << known)
    }

    /// The state after a call, if the function comes back.
    fn enter(&mut self, instruction: &Instruction, target: u64, state: &State, pushed: i64) -> Option<State> {
        let Some(callee) = self.image.function_at(target).cloned() else {
            self.report(instruction, Kind::NotFollowed);
            return None;
        };
        if diverges(&callee.name) {
            return None;
        }
        if divides(&callee.name) {
            if ARGUMENTS[..4].iter().any(|register| state.get(*register)[0].is_secret()) {
                self.report(instruction, Kind::Latency);
            }
            let mut after = state.clone();
            [Register::RAX, Register::RDX].iter().for_each(|register| after.set(*register, &[Value::Number; 8]));
            return Some(state.after_call(&after));
        }
        let stack_pointer = state.get(Register::RSP)[0].shifted(-pushed);
        let entry = state.called(&ARGUMENTS, stack_pointer);
        if let Some(outer) = self.chain.iter_mut().find(|outer| outer.start == callee.start) {
            outer.again.push((*instruction, entry));
            return Some(state.after_unknown_call());
        }
        self.function(&callee, instruction.ip(), entry).map(|returned| state.after_call(&returned))
    }
}
