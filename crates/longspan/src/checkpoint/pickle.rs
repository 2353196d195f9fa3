//! Reads the subset of Python's pickles that torch writes, without executing anything.
//!
//! A pickle is a program for a small stack machine. In Python it may call any function. This machine knows only the
//! opcodes that torch uses for a state dict (protocol 2, and their equivalents in 3 to 5) and the few globals below,
//! which are implemented in Rust. Everything else is refused, with its name.
//!
//! Objects are stored in one list and refer to each other by index, and so do memo and stack. Hence cycles and deep
//! nesting need no recursion, neither to read nor to drop them. Every opcode makes at most one object, and every entry
//! of a list was pushed by an opcode of its own; objects and entries are counted and have a bound, and so have tensors,
//! which are larger.
//!
//! Opcodes: CPython's `pickletools.py`. Globals: torch's `_utils.py` and `serialization.py`.

use crate::tensor::DType;

/// The longest pickle that is read. A state dict needs about 150 bytes per tensor.
pub(super) const PICKLE_BYTES_MAX: usize = 16 << 20;
/// The most objects, entries of the stack and entries of the memo.
const OBJECTS_MAX: usize = 1 << 20;
/// The most dimensions of a tensor.
const DIMENSIONS_MAX: usize = 16;
/// The most tensors, and the most references to storages. Models have hundreds.
pub(super) const TENSORS_MAX: usize = 1 << 16;
/// The longest name of a tensor or a storage, in bytes. A pickle may recall one name again and again.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// Index of an object.
pub(super) type Id = u32;

/// An object of a pickle.
#[derive(Debug)]
pub(super) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little endian in two's complement.
    Long(&'a [u8]),
    /// Floats, sets and bytes, which are settings beside the weights. Their values are never needed.
    Opaque,
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage<'a>>),
    Tensor(Box<Tensor<'a>>),
}

/// The functions and classes that a pickle may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(&'static Element),
}

/// The number format of a storage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The name of the class in torch.
    storage: &'static str,
    /// The format as safetensors spells it.
    pub name: &'static str,
    pub bytes: usize,
    pub float: Option<DType>,
}

static ELEMENTS: [Element; 12] = [
    Element { storage: "FloatStorage", name: "F32", bytes: 4, float: Some(DType::F32) },
    Element { storage: "HalfStorage", name: "F16", bytes: 2, float: Some(DType::F16) },
    Element { storage: "BFloat16Storage", name: "BF16", bytes: 2, float: Some(DType::BF16) },
    Element { storage: "DoubleStorage", name: "F64", bytes: 8, float: None },
    Element { storage: "LongStorage", name: "I64", bytes: 8, float: None },
    Element { storage: "IntStorage", name: "I32", bytes: 4, float: None },
    Element { storage: "ShortStorage", name: "I16", bytes: 2, float: None },
    Element { storage: "CharStorage", name: "I8", bytes: 1, float: None },
    Element { storage: "ByteStorage", name: "U8", bytes: 1, float: None },
    Element { storage: "BoolStorage", name: "BOOL", bytes: 1, float: None },
    Element { storage: "ComplexFloatStorage", name: "C64", bytes: 8, float: None },
    Element { storage: "ComplexDoubleStorage", name: "C128", bytes: 16, float: None },
];

/// A sequence of numbers that is stored outside the pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    /// The name of the storage in the file.
    pub key: &'a str,
    pub element: &'static Element,
    /// Number of numbers in the storage of this name.
    pub count: usize,
    /// The offset and count of the numbers of this view. It is the whole storage, except in old files.
    pub view: (usize, usize),
}

/// A tensor: a view of a storage.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub storage: Storage<'a>,
    /// Its start in the view of the storage, in numbers.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Distances of neighbours in each dimension, in numbers.
    pub strides: Vec<usize>,
}

/// The content of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Id,
    /// The length of the pickle.
    pub bytes: usize,
}

impl<'a> Pickle<'a> {
    /// The object that was pickled.
    pub(super) fn root(&self) -> &Object<'a> {
        self.get(self.root)
    }

    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id as usize]
    }

    /// The value of a string key in a dictionary. As in Python, the last of several values.
    pub(super) fn item(&self, dict: &Object<'a>, key: &str) -> Option<&Object<'a>> {
        let Object::Dict(items) = dict else { return None };
        let found = items.iter().rev().find(|(k, _)| matches!(self.get(*k), Object::Text(text) if *text == key));
        found.map(|(_, value)| self.get(*value))
    }

    /// All storages in the pickle.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.objects.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }
}

/// Reads the pickle at the start of `content`.
pub(super) fn read(content: &[u8]) -> Result<Pickle<'_>, String> {
    let content = &content[..content.len().min(PICKLE_BYTES_MAX)];
    let mut machine = PickleMachine { content, ..Default::default() };
    loop {
        let at = machine.position;
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { objects: machine.objects, root, bytes: machine.position });
        }
        machine.step(opcode, at)?;
        if machine.stack.len() + machine.marks.len() > OBJECTS_MAX || machine.entries > OBJECTS_MAX {
            return Err(too_many());
        }
    }
}

#[derive(Default)]
struct PickleMachine<'a> {
    content: &'a [u8],
    position: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// Lengths of the stack at each open `(`.
    marks: Vec<usize>,
    /// Objects by the numbers that the pickle gave them, which count up from 0.
    memo: Vec<Option<Id>>,
    /// Entries of tuples, lists and dictionaries.
    entries: usize,
    /// Tensors and references to storages.
    tensors: usize,
}

impl<'a> PickleMachine<'a> {
    fn step(&mut self, opcode: u8, at: usize) -> Result<(), String> {
        match opcode {
            b'\x80' => self.bytes(1).map(drop),                                        // PROTO
            b'\x95' => self.bytes(8).map(drop),                                        // FRAME
            b'N' => self.push(Object::None),                                           // NONE
            b'\x88' => self.push(Object::Bool(true)),                                  // NEWTRUE
            b'\x89' => self.push(Object::Bool(false)),                                 // NEWFALSE
            b'K' => self.number::<1>().and_then(|n| self.push(Object::Int(n as i64))), // BININT1
            b'M' => self.number::<2>().and_then(|n| self.push(Object::Int(n as i64))), // BININT2
            b'J' => self.number::<4>().and_then(|n| self.push(Object::Int(i64::from(n as u32 as i32)))), // BININT
            b'\x8a' => self.number::<1>().and_then(|n| self.long(n)),                  // LONG1
            b'\x8b' => self.number::<4>().and_then(|n| self.long(n)),                  // LONG4
            b'G' => self.bytes(8).and_then(|_| self.push(Object::Opaque)),             // BINFLOAT
            b'U' | b'\x8c' => self.number::<1>().and_then(|n| self.text(n)), // SHORT_BINSTRING, SHORT_BINUNICODE
            b'T' | b'X' => self.number::<4>().and_then(|n| self.text(n)),    // BINSTRING, BINUNICODE
            b'\x8d' => self.number::<8>().and_then(|n| self.text(n)),        // BINUNICODE8
            b'C' => self.number::<1>().and_then(|n| self.opaque(n)),         // SHORT_BINBYTES
            b'B' => self.number::<4>().and_then(|n| self.opaque(n)),         // BINBYTES
            b'(' => {
                self.marks.push(self.stack.len()); // MARK
                Ok(())
            }
            b')' => self.push(Object::Tuple(Vec::new())), // EMPTY_TUPLE
            b'\x85' => self.tuple(1),                     // TUPLE1
            b'\x86' => self.tuple(2),                     // TUPLE2
            b'\x87' => self.tuple(3),                     // TUPLE3
            b't' => {
                let items = self.pop_mark()?; // TUPLE
                self.entries += items.len();
                self.push(Object::Tuple(items))
            }
            b']' => self.push(Object::List(Vec::new())), // EMPTY_LIST
            b'a' => {
                let item = self.pop()?; // APPEND
                self.append(vec![item])
            }
            b'e' => {
                let items = self.pop_mark()?; // APPENDS
                self.append(items)
            }
            b'}' => self.push(Object::Dict(Vec::new())), // EMPTY_DICT
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?); // SETITEM
                self.set_items(&[key, value])
            }
            b'u' => {
                let items = self.pop_mark()?; // SETITEMS
                self.set_items(&items)
            }
            b'\x8f' => self.push(Object::Opaque),                     // EMPTY_SET
            b'\x90' => self.pop_mark().map(drop),                     // ADDITEMS
            b'q' => self.number::<1>().and_then(|n| self.memoize(n)), // BINPUT
            b'r' => self.number::<4>().and_then(|n| self.memoize(n)), // LONG_BINPUT
            b'\x94' => self.memoize(self.memo.len() as u64),          // MEMOIZE
            b'h' => self.number::<1>().and_then(|n| self.recall(n)),  // BINGET
            b'j' => self.number::<4>().and_then(|n| self.recall(n)),  // LONG_BINGET
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL, INST
                let global = global(module, name)?;
                if opcode == b'i' { Err(unknown(opcode, at)) } else { self.push(Object::Global(global)) }
            }
            b'\x93' => self.stack_global(), // STACK_GLOBAL
            b'Q' => self.persistent_id(),   // BINPERSID
            b'R' => self.reduce(),          // REDUCE
            b'b' => self.build(),           // BUILD
            other => Err(unknown(other, at)),
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let taken = self.content[self.position..].get(..count);
        let taken = taken.ok_or_else(|| match self.content.len() {
            PICKLE_BYTES_MAX => format!("pickle of more than {PICKLE_BYTES_MAX} bytes"),
            length => format!("truncated: the pickle asks for {count} bytes at byte {} of {length}", self.position),
        })?;
        self.position += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// An unsigned little-endian number of N bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        let bytes = self.bytes(N)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.content[self.position..];
        let length = rest.iter().position(|&b| b == b'\n').ok_or("truncated: the pickle ends within a name")?;
        let line = self.bytes(length + 1)?;
        std::str::from_utf8(&line[..length]).map_err(|_| "a name in the pickle is not UTF-8".to_owned())
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        if self.objects.len() >= OBJECTS_MAX {
            return Err(too_many());
        }
        self.stack.push(self.objects.len() as Id);
        self.objects.push(object);
        Ok(())
    }

    /// Length of the stack at the innermost mark. Entries below belong to another object.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err(format!("damaged: the pickle takes from an empty stack before byte {}", self.position));
        }
        Ok(self.stack.pop().expect("the stack is longer than its floor"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| format!("damaged: the pickle lacks a mark before byte {}", self.position))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, String> {
        let top = self.stack.get(self.floor()..).and_then(<[Id]>::last).copied();
        top.ok_or_else(|| format!("damaged: the pickle looks at an empty stack before byte {}", self.position))
    }

    fn long(&mut self, bytes: u64) -> Result<(), String> {
        let bytes = self.bytes(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        if bytes.len() > 8 {
            return self.push(Object::Long(bytes));
        }
        let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { -1 } else { 0 };
        self.push(Object::Int(bytes.iter().rev().fold(sign, |number, &byte| number << 8 | i64::from(byte))))
    }

    fn text(&mut self, bytes: u64) -> Result<(), String> {
        let bytes = self.bytes(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        // Byte strings of Python 2 may have any encoding. Only the names of tensors matter, and those are ASCII.
        self.push(std::str::from_utf8(bytes).map_or(Object::Opaque, Object::Text))
    }

    fn opaque(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        self.push(Object::Opaque)
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Object::Tuple(items))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        self.entries += items.len();
        match &mut self.objects[top as usize] {
            Object::List(list) => list.extend(items),
            other => return Err(format!("damaged: the pickle appends to {}", kind(other))),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        self.entries += items.len() / 2;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.objects[top as usize] {
            Object::Dict(dict) if rest.is_empty() => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Object::Dict(_) => return Err("damaged: the pickle sets a key without a value".to_owned()),
            other => return Err(format!("damaged: the pickle sets items of {}", kind(other))),
        }
        Ok(())
    }

    fn memoize(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        let key = key as usize;
        if key >= OBJECTS_MAX {
            return Err(too_many());
        }
        if key >= self.memo.len() {
            self.memo.resize(key + 1, None);
        }
        self.memo[key] = Some(top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = self.memo.get(key as usize).copied().flatten();
        self.stack.push(id.ok_or_else(|| format!("damaged: the pickle recalls entry {key}, which was never stored"))?);
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Object::Text(module), Object::Text(name)) = (self.object(module), self.object(name)) else {
            return Err("damaged: the pickle names a global by something that is not a text".to_owned());
        };
        let global = global(module, name)?;
        self.push(Object::Global(global))
    }

    /// `BUILD` gives an object its attributes. A state dict has one, `_metadata`, with the versions of the modules.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.object(self.top()?) {
            Object::Dict(_) => Ok(()),
            other => Err(format!("the pickle sets attributes of {}, which a state dict does not do", kind(other))),
        }
    }

    fn object(&self, id: Id) -> &Object<'a> {
        &self.objects[id as usize]
    }

    fn pop_tuple(&mut self, what: &str) -> Result<Vec<Id>, String> {
        let id = self.pop()?;
        match self.object(id) {
            // No global takes more than eight arguments. A tuple may be recalled any number of times, so no more are
            // copied.
            Object::Tuple(items) => Ok(items[..items.len().min(8)].to_vec()),
            other => Err(format!("damaged: {what} is {}, not a tuple", kind(other))),
        }
    }

    /// The tuple ('storage', class, key, device, count), in the older format with a view: None or (key, offset, count).
    fn persistent_id(&mut self) -> Result<(), String> {
        let items = self.pop_tuple("a reference to a storage")?;
        let object = |index: usize| items.get(index).map(|id| self.object(*id));
        match object(0) {
            Some(Object::Text("storage")) => {}
            Some(Object::Text("module")) => {
                return Err("holds a whole module with its code: save its `state_dict()`".to_owned());
            }
            _ => return Err("damaged: a reference to something that is not a storage".to_owned()),
        }
        let (Some(Object::Global(Global::Storage(element))), Some(Object::Text(key)), Some(&Object::Int(count))) =
            (object(1), object(2), object(4))
        else {
            return Err("damaged: a reference to a storage lacks its class, key or size".to_owned());
        };
        if key.len() > NAME_BYTES_MAX {
            return Err(format!("the key of a storage has {} bytes, at most {NAME_BYTES_MAX} are read", key.len()));
        }
        let count = self.size(count)?;
        let view = match object(5) {
            None | Some(Object::None) => (0, count),
            Some(Object::Tuple(view)) => match view.as_slice() {
                [_, offset, count] => (self.index(*offset)?, self.index(*count)?),
                _ => return Err("damaged: a view of a storage lacks its offset or size".to_owned()),
            },
            Some(other) => return Err(format!("damaged: the view of a storage is {}", kind(other))),
        };
        let storage = Storage { key, element, count, view };
        self.count_tensor()?;
        self.push(Object::Storage(Box::new(storage)))
    }

    fn count_tensor(&mut self) -> Result<(), String> {
        self.tensors += 1;
        if self.tensors > 2 * TENSORS_MAX {
            return Err(format!("pickle of more than {TENSORS_MAX} tensors"));
        }
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop_tuple("the argument of a call")?;
        let callable = self.pop()?;
        let Object::Global(global) = *self.object(callable) else {
            return Err(format!("the pickle calls {}: refused", kind(self.object(callable))));
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Object::Dict(Vec::new())),
            // A `Size` is represented by its tuple, a parameter by its tensor.
            (Global::Size, [sizes]) | (Global::RebuildParameter, [sizes, ..]) => {
                self.stack.push(*sizes);
                Ok(())
            }
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let Object::Storage(storage) = self.object(*storage) else {
                    return Err("damaged: a tensor without a storage".to_owned());
                };
                let storage = **storage;
                let (offset, shape, strides) = (self.index(*offset)?, self.indices(*shape)?, self.indices(*strides)?);
                if shape.len() != strides.len() {
                    return Err(format!("damaged: a tensor with {} sizes and {} strides", shape.len(), strides.len()));
                }
                self.count_tensor()?;
                self.push(Object::Tensor(Box::new(Tensor { storage, offset, shape, strides })))
            }
            (global, arguments) => {
                Err(format!("the pickle calls {global:?} with {} arguments: refused", arguments.len()))
            }
        }
    }

    fn size(&self, number: i64) -> Result<usize, String> {
        usize::try_from(number).map_err(|_| format!("damaged: {number} as a size"))
    }

    fn index(&self, id: Id) -> Result<usize, String> {
        match self.object(id) {
            Object::Int(number) => self.size(*number),
            other => Err(format!("damaged: {} as a size", kind(other))),
        }
    }

    fn indices(&self, id: Id) -> Result<Vec<usize>, String> {
        match self.object(id) {
            Object::Tuple(items) | Object::List(items) if items.len() <= DIMENSIONS_MAX => {
                items.iter().map(|item| self.index(*item)).collect()
            }
            Object::Tuple(items) => {
                Err(format!("a tensor of {} dimensions, at most {DIMENSIONS_MAX} are read", items.len()))
            }
            other => Err(format!("damaged: {} as the shape of a tensor", kind(other))),
        }
    }
}

/// The globals that are allowed.
fn global(module: &str, name: &str) -> Result<Global, String> {
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Ok(Global::RebuildParameter),
        ("torch", "Size") => Ok(Global::Size),
        // Old files name the class of the device of the storage.
        ("torch" | "torch.cuda" | "torch.storage", name) => {
            // The size of an `UntypedStorage` is in bytes.
            let name = if name == "UntypedStorage" { "ByteStorage" } else { name };
            let element = ELEMENTS.iter().find(|element| element.storage == name);
            element.map(Global::Storage).ok_or_else(|| refuse(module, name))
        }
        _ => Err(refuse(module, name)),
    }
}

fn too_many() -> String {
    format!("pickle of more than {OBJECTS_MAX} objects")
}

fn refuse(module: &str, name: &str) -> String {
    // A name may be as long as the pickle and contain control characters, which must not reach a terminal.
    let [module, name] = [module, name].map(|text| text.chars().take(80).collect::<String>());
    let (module, name) = (module.escape_debug(), name.escape_debug());
    format!("the pickle names `{module} {name}`, which no state dict needs: refused, nothing was executed")
}

fn unknown(opcode: u8, at: usize) -> String {
    format!("not a state dict of torch: pickle opcode {opcode:#04x} at byte {at} is refused")
}

/// A description of an object for messages.
fn kind(object: &Object) -> &'static str {
    match object {
        Object::None => "nothing",
        Object::Bool(_) => "a truth value",
        Object::Int(_) | Object::Long(_) => "a number",
        Object::Opaque => "a float, a set or bytes",
        Object::Text(_) => "a text",
        Object::Tuple(_) => "a tuple",
        Object::List(_) => "a list",
        Object::Dict(_) => "a dictionary",
        Object::Global(_) => "a class or function",
        Object::Storage(_) => "a storage",
        Object::Tensor(_) => "a tensor",
    }
}
