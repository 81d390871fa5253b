//! What an instruction does to what is known.

use iced_x86::{
    ConditionCode, Instruction, InstructionInfo, Mnemonic, OpAccess, OpKind, Register, RflagsBits, UsedRegister,
};

use crate::analysis::{Analysis, Kind, above};
use crate::image::Slot;
use crate::state::{State, Words, join_all};
use crate::value::Value;

impl Analysis<'_> {
    pub(crate) fn execute(&mut self, instruction: &Instruction, state: &mut State) {
        use Mnemonic::*;
        let info = self.info.info(instruction).clone();
        self.check_addresses(instruction, &info, state);
        match instruction.mnemonic() {
            Nop | Endbr64 | Vzeroupper | Prefetcht0 | Prefetchw | Prefetchnta => {}
            Push => {
                let words = self.operand(instruction, 0, state);
                let top = state.get(Register::RSP)[0].shifted(-8);
                state.set(Register::RSP, &[top; 8]);
                self.store(instruction, top, &words, 8, true, state);
            }
            Pop => {
                let top = state.get(Register::RSP)[0];
                let words = self.load(instruction, top, state);
                state.set(Register::RSP, &[top.shifted(8); 8]);
                state.set(instruction.op0_register(), &[words[0]; 8]);
            }
            Lea => {
                let code = instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address());
                let code = code.filter(|&address| matches!(self.image.code(address), Some(Slot::Address(_))));
                let address = code.map_or(self.address(instruction, state), |address| Value::Code([address; 2]));
                state.set(instruction.op0_register(), &[address; 8]);
            }
            _ if moves(instruction) => {
                let words = self.operand(instruction, 1, state);
                self.write(instruction, 0, &words, true, state);
            }
            _ if chooses(instruction) => {
                let chosen = state.get(instruction.op0_register())[0].join(self.operand(instruction, 1, state)[0]);
                let chosen = if state.secret_flags { Value::Secret } else { chosen };
                state.set(instruction.op0_register(), &[chosen; 8]);
            }
            _ if clears(instruction) => {
                state.set(instruction.op0_register(), &[Value::Number; 8]);
                self.set_flags(instruction, false, state);
            }
            Add | Sub if instruction.op0_kind() == OpKind::Register && is_immediate(instruction.op1_kind()) => {
                let by = instruction.immediate(1) as i64;
                let by = if instruction.mnemonic() == Add { by } else { by.wrapping_neg() };
                let value = state.get(instruction.op0_register())[0].shifted(by);
                state.set(instruction.op0_register(), &[value; 8]);
                self.set_flags(instruction, value.is_secret(), state);
            }
            And if instruction.op0_register() == Register::RSP && is_immediate(instruction.op1_kind()) => {
                if let Value::Stack { offset, exact: true } = state.get(Register::RSP)[0] {
                    // As if the stack had begun 8 bytes past a line, as calls leave it past 16 bytes.
                    let offset = ((offset + 56) & instruction.immediate(1) as i64) - 56;
                    state.set(Register::RSP, &[Value::Stack { offset, exact: true }; 8]);
                }
                self.set_flags(instruction, false, state);
            }
            _ => self.compute(instruction, &info, state),
        }
    }

    /// The result of anything else depends on everything that is read, and on what it does not surely overwrite.
    fn compute(&mut self, instruction: &Instruction, info: &InstructionInfo, state: &mut State) {
        let accesses: Vec<_> = (0..instruction.op_count()).map(|i| (i, info.op_access(i))).collect();
        let implied: Vec<_> = info.used_registers().iter().filter(|used| is_implied(instruction, info, used)).collect();
        // A scan of zero leaves its result undefined: compilers do not use it.
        let scans = matches!(instruction.mnemonic(), Mnemonic::Bsr | Mnemonic::Bsf);
        let operands = accesses.iter().filter(|(i, access)| reads(*access) && !(scans && *i == 0));
        let named =
            operands.fold(Value::Number, |result, (i, _)| result.mix(join_all(&self.operand(instruction, *i, state))));
        let registers =
            implied.iter().filter(|used| reads(used.access())).map(|used| join_all(&state.get(used.register())));
        let mut result = registers.fold(named, Value::mix);
        if instruction.rflags_read() != 0 && state.secret_flags {
            result = Value::Secret;
        }
        if scales(instruction.mnemonic()) && !result.is_secret() {
            result = Value::Number;
        }
        if varies(instruction.mnemonic()) && result.is_secret() {
            self.report(instruction, Kind::Latency);
        }
        let surely =
            !accesses.iter().any(|(_, access)| matches!(access, OpAccess::CondWrite | OpAccess::ReadCondWrite));
        for (i, _) in accesses.into_iter().filter(|(_, access)| writes(*access)) {
            self.write(instruction, i, &[result; 8], surely, state);
        }
        implied.iter().filter(|used| writes(used.access())).for_each(|used| state.set(used.register(), &[result; 8]));
        self.set_flags(instruction, result.is_secret(), state);
    }

    fn check_addresses(&mut self, instruction: &Instruction, info: &InstructionInfo, state: &State) {
        let used = info.used_memory().iter().flat_map(|memory| [memory.base(), memory.index()]);
        let mut registers = used.filter(|&register| register != Register::None);
        if registers.any(|register| join_all(&state.get(register)).is_secret()) {
            self.report(instruction, Kind::Address);
        }
    }

    fn set_flags(&mut self, instruction: &Instruction, secret: bool, state: &mut State) {
        const ALL: u32 = RflagsBits::CF | RflagsBits::ZF | RflagsBits::SF | RflagsBits::OF;
        let modified = instruction.rflags_modified();
        if modified & ALL == ALL && !shifts_by_register(instruction) {
            state.secret_flags = secret;
        } else if modified != 0 {
            state.secret_flags |= secret;
        }
    }

    fn address(&self, instruction: &Instruction, state: &State) -> Value {
        if instruction.is_ip_rel_memory_operand() {
            return Value::Public;
        }
        let part = |register| if register == Register::None { Value::Number } else { join_all(&state.get(register)) };
        let (base, index) = (part(instruction.memory_base()), part(instruction.memory_index()));
        let sum = if instruction.memory_index() == Register::None { base } else { base.mix(index) };
        sum.shifted(instruction.memory_displacement64() as i64)
    }

    pub(crate) fn operand(&mut self, instruction: &Instruction, i: u32, state: &State) -> Words {
        match instruction.op_kind(i) {
            OpKind::Register => state.get(instruction.op_register(i)),
            OpKind::Memory => match self.constant(instruction) {
                Some(value) => [value; 8],
                None => self.load(instruction, self.address(instruction, state), state),
            },
            kind if is_immediate(kind) => [Value::Constant(instruction.immediate(i)); 8],
            _ => {
                self.report(instruction, Kind::NotFollowed);
                [Value::Secret; 8]
            }
        }
    }

    /// What the loader writes where an instruction reads: the address of a function or of a variable.
    fn constant(&self, instruction: &Instruction) -> Option<Value> {
        let place = instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address())?;
        Some(match self.image.code(place)? {
            Slot::Address(target) if self.image.function_at(target).is_none() => Value::Public,
            _ => Value::Code([place; 2]),
        })
    }

    /// What is at an address, as far as the instruction reads: the words beyond repeat the first.
    pub(crate) fn load(&mut self, instruction: &Instruction, address: Value, state: &State) -> Words {
        let bytes = instruction.memory_size().size().max(1);
        let words = match address {
            Value::Stack { offset, exact } => {
                let relative = [Register::RSP, Register::RBP].contains(&instruction.memory_base());
                if let Some(call) = self.chain.last_mut().filter(|_| relative) {
                    call.reads.extend(above(&call.entry, offset));
                }
                match exact {
                    true => state.stack.load(offset),
                    false => [state.stack.load_somewhere(offset, self.frame_end(offset)); 8],
                }
                .map(Some)
            }
            Value::Heap(places) => [Some(state.load_allocated(places)); 8],
            address => core::array::from_fn(|word| address.pointee(word)),
        };
        if words[0].is_none() {
            self.report(instruction, Kind::NotFollowed);
        }
        let words = words.map(|word| word.unwrap_or(Value::Secret));
        core::array::from_fn(|i| if 8 * i < bytes { words[i] } else { words[0] })
    }

    fn write(&mut self, instruction: &Instruction, i: u32, words: &Words, surely: bool, state: &mut State) {
        match instruction.op_kind(i) {
            OpKind::Register => state.set(instruction.op_register(i), words),
            OpKind::Memory => {
                let (address, bytes) = (self.address(instruction, state), instruction.memory_size().size());
                self.store(
                    instruction,
                    address,
                    words,
                    bytes,
                    surely && instruction.op_mask() == Register::None,
                    state,
                );
            }
            _ => self.report(instruction, Kind::NotFollowed),
        }
    }

    pub(crate) fn store(
        &mut self,
        instruction: &Instruction,
        address: Value,
        words: &Words,
        bytes: usize,
        surely: bool,
        state: &mut State,
    ) {
        match address {
            Value::Stack { offset, exact } => {
                self.chain.iter_mut().for_each(|call| call.writes |= above(&call.entry, offset).is_some());
                let register = bytes == 8 && keeps(instruction.mnemonic());
                match exact {
                    true if register && offset & 7 == 0 => state.stack.store_register(offset, words[0]),
                    true => state.stack.store(offset, words, bytes, surely),
                    false => {
                        let end = self.frame_end(offset);
                        state.stack.store_somewhere(offset, end, join_all(words), !register && bytes >= 16);
                    }
                }
            }
            Value::Heap(places) => {
                self.chain.iter_mut().for_each(|call| call.writes |= places & !self.published != 0);
                if places & self.published != 0 && !self.publish(join_all(words), state) {
                    self.report(instruction, Kind::Escape);
                }
                state.store_allocated(places, join_all(words));
            }
            // What is read there is taken for secret.
            Value::Data => {}
            Value::Public => {
                if !words[..bytes.div_ceil(8)].iter().all(|word| self.publish(*word, state)) {
                    self.report(instruction, Kind::Escape);
                }
            }
            // Reported as an address.
            Value::Secret => {}
            Value::Slices { .. }
            | Value::Lost
            | Value::Foreign
            | Value::Code(_)
            | Value::Number
            | Value::Constant(_) => {
                self.report(instruction, Kind::NotFollowed);
            }
        }
    }
}

impl Analysis<'_> {
    /// Whether a value may be kept where what is read is taken for public all the way: it is, and what was allocated
    /// behind it, which must stay so from here on.
    fn publish(&mut self, value: Value, state: &State) -> bool {
        let Value::Heap(places) = value else { return value.is_public_all_the_way() };
        let fresh = places & !self.published;
        self.published |= fresh;
        fresh == 0 || self.publish(state.load_allocated(fresh), state)
    }
}

fn writes(access: OpAccess) -> bool {
    use OpAccess::*;
    matches!(access, Write | CondWrite | ReadWrite | ReadCondWrite)
}

/// Also where an instruction may leave what was there.
fn reads(access: OpAccess) -> bool {
    use OpAccess::*;
    matches!(access, Read | CondRead | ReadWrite | ReadCondWrite | CondWrite)
}

/// Whether a register is used without being named, and for more than an address.
fn is_implied(instruction: &Instruction, info: &InstructionInfo, used: &UsedRegister) -> bool {
    let same = |register: Register| register.full_register() == used.register().full_register();
    let mut named = (0..instruction.op_count()).filter(|&i| instruction.op_kind(i) == OpKind::Register);
    let addresses = info.used_memory().iter().flat_map(|memory| [memory.base(), memory.index()]);
    // Products and quotients of one operand, whose other one may be part of its address.
    let double = instruction.op_count() == 1 || instruction.mnemonic() == Mnemonic::Mulx;
    !named.any(|i| same(instruction.op_register(i)))
        && (double && (same(Register::RAX) || same(Register::RDX)) || !addresses.into_iter().any(same))
}

fn is_immediate(kind: OpKind) -> bool {
    !matches!(kind, OpKind::Register | OpKind::Memory) && format!("{kind:?}").starts_with("Immediate")
}

/// Copies of whole operands.
fn moves(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    instruction.op_count() == 2
        && instruction.op_mask() == Register::None
        && matches!(
            instruction.mnemonic(),
            Mov | Movzx
                | Movsx
                | Movsxd
                | Movups
                | Movaps
                | Movdqu
                | Movdqa
                | Movupd
                | Movapd
                | Vmovups
                | Vmovaps
                | Vmovdqu
                | Vmovdqa
                | Vmovupd
                | Vmovapd
                | Vmovdqu64
                | Vmovdqa64
                | Vmovdqu32
                | Vmovdqa32
                | Movd
                | Movq
                | Vmovd
                | Vmovq
        )
}

/// Conditional moves.
fn chooses(instruction: &Instruction) -> bool {
    instruction.condition_code() != ConditionCode::None
        && !instruction.is_jcc_short_or_near()
        && instruction.op_count() == 2
}

/// Instructions that give the same whatever is in their one register.
fn clears(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    let same = |i, j| {
        instruction.op_kind(i) == OpKind::Register
            && instruction.op_kind(j) == OpKind::Register
            && instruction.op_register(i) == instruction.op_register(j)
    };
    let last = instruction.op_count().saturating_sub(1);
    let clears = matches!(
        instruction.mnemonic(),
        Xor | Sub
            | Pxor
            | Xorps
            | Xorpd
            | Vpxor
            | Vpxord
            | Vpxorq
            | Vxorps
            | Vxorpd
            | Pcmpeqd
            | Pcmpeqb
            | Vpcmpeqd
            | Kxnorw
            | Kxorw
            | Kxnorb
    ) || instruction.mnemonic() == Vpternlogd && instruction.immediate(last) == 0xff;
    let sources = if instruction.op_count() == 2 { (0, 1) } else { (1, 2) };
    clears && instruction.op_mask() == Register::None && same(sources.0, sources.1)
}

/// Instructions that are slower for some operands.
fn varies(mnemonic: Mnemonic) -> bool {
    let name = format!("{mnemonic:?}").to_lowercase();
    ["div", "idiv", "vdiv", "sqrt", "vsqrt", "rsqrt", "vrsqrt", "rcp", "vrcp"].iter().any(|slow| name.starts_with(slow))
        || matches!(mnemonic, Mnemonic::Fdiv | Mnemonic::Fsqrt | Mnemonic::Fprem)
}

/// Instructions that put a general register by, or change it where it is.
fn keeps(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Mov | Push | Add | Sub | And | Or | Xor | Inc | Dec | Neg | Not | Shl | Shr | Sar)
}

/// Instructions whose results are no addresses.
fn scales(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Mul | Imul | Mulx | Div | Shl | Shr | Sar)
}

/// A shift by nothing leaves the flags as they were.
fn shifts_by_register(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(instruction.mnemonic(), Shl | Shr | Sar | Shld | Shrd | Rol | Ror)
        && (0..instruction.op_count())
            .any(|i| instruction.op_kind(i) == OpKind::Register && instruction.op_register(i) == Register::CL)
}
