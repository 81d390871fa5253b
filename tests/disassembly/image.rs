//! The program as the linker left it.

use std::collections::HashMap;
use std::path::Path;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::{Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationTarget, SymbolKind};

/// A function: where its code is.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

pub(crate) struct Image {
    /// In the order of addresses.
    pub(crate) functions: Vec<Function>,
    sections: Vec<(u64, Vec<u8>)>,
    /// What the loader writes at an address: a function of the program, or one of another library.
    slots: HashMap<u64, Slot>,
}

#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Address(u64),
    Import(String),
}

impl Image {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let symbols = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let mut functions: Vec<_> = symbols
            .map(|symbol| Function {
                name: format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap())),
                start: symbol.address(),
                end: symbol.address() + symbol.size(),
            })
            .collect();
        functions.sort_by_key(|function| function.start);
        let sections = file.sections().map(|section| (section.address(), section.data().unwrap_or_default().to_vec()));
        let slots = file.dynamic_relocations().into_iter().flatten().map(|(place, relocation)| {
            let import =
                |index| Some(file.dynamic_symbol_table()?.symbol_by_index(index).ok()?.name().ok()?.to_owned());
            let slot = match relocation.target() {
                RelocationTarget::Symbol(index) => Slot::Import(import(index).unwrap_or_default()),
                _ => Slot::Address(relocation.addend() as u64),
            };
            (place, slot)
        });
        Self { functions, sections: sections.collect(), slots: slots.collect() }
    }

    /// The function that an address belongs to.
    pub(crate) fn function_at(&self, address: u64) -> Option<&Function> {
        self.functions.iter().find(|function| (function.start..function.end).contains(&address))
    }

    /// What is called through this address: a function, or what the loader writes there.
    pub(crate) fn code(&self, address: u64) -> Option<Slot> {
        let start = |function: &Function| function.start == address;
        let function = || self.function_at(address).filter(|function| start(function)).map(|_| Slot::Address(address));
        self.slots.get(&address).cloned().or_else(function)
    }

    fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.sections.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            (*start > 0 && offset < bytes.len()).then(|| &bytes[offset..])
        })
    }

    pub(crate) fn instruction(&self, address: u64) -> Instruction {
        Decoder::with_ip(64, self.bytes(address).unwrap(), address, DecoderOptions::NONE).decode()
    }

    /// Entry `index` of a table of distances, which are relative to the table.
    pub(crate) fn jump_table_entry(&self, table: u64, index: u64) -> Option<u64> {
        let bytes = self.bytes(table + 4 * index)?.first_chunk()?;
        Some(table.wrapping_add_signed(i64::from(i32::from_le_bytes(*bytes))))
    }
}
