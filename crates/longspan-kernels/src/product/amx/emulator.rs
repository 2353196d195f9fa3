//! Software AMX for tests, so that the real `asm!` blocks run on any x86-64 Linux, slowly. [`install`] sets a handler
//! of SIGILL, which a processor without AMX raises for its instructions. The handler decodes the instruction, executes
//! it as the Intel SDM describes, on tiles that belong to the thread, and steps over it. Where a processor with AMX
//! would raise a fault, it prints a line to stderr and aborts. On a processor that has AMX the emulator must not be
//! installed.

use std::cell::UnsafeCell;
use std::sync::Once;

const MAX_ROWS: usize = 16;
const MAX_ROW_BYTES: usize = 64;

/// The smallest magnitude that rounds to a normal f32 if the exponent is unbounded. By this rule, x86 decides after
/// rounding whether a result is tiny and flushed to zero.
const LEAST_NORMAL: f64 = f32::MIN_POSITIVE as f64 * (1.0 - 1.0 / (1u64 << 25) as f64);

type Registers = [libc::greg_t; 23];
type ExecutionResult = Result<(), &'static str>;
type TileBytes = [[u8; MAX_ROW_BYTES]; MAX_ROWS];

#[derive(Clone, Copy)]
struct TileRegister {
    rows: usize,
    row_bytes: usize,
    bytes: TileBytes,
}

struct TileState {
    configured: bool,
    tiles: [TileRegister; 8],
}

impl TileState {
    const INITIAL: Self = Self {
        configured: false,
        tiles: [TileRegister { rows: 0, row_bytes: 0, bytes: [[0; MAX_ROW_BYTES]; MAX_ROWS] }; 8],
    };

    /// The tile, or an error if the processor would refuse to use it.
    fn usable(&mut self, number: usize) -> Result<&mut TileRegister, &'static str> {
        if !self.configured {
            return Err("LDTILECFG has not run on this thread");
        }
        let tile = &mut self.tiles[number];
        if tile.rows == 0 { Err("a tile is used that the configuration leaves empty") } else { Ok(tile) }
    }
}

thread_local! {
    // A constant without a destructor needs no set-up on first use, so a signal handler may use it at any time.
    static STATE: UnsafeCell<TileState> = const { UnsafeCell::new(TileState::INITIAL) };
}

#[derive(Clone, Copy)]
enum Operation {
    Configure,
    Release,
    Zero,
    Load,
    Store,
    DotBf16,
    DotBytes { a_signed: bool, b_signed: bool },
}

/// A decoded instruction. Dot products are `c += a * b` on tiles; other instructions use only tile `c`.
struct Instruction {
    name: &'static str,
    operation: Operation,
    c: usize,
    a: usize,
    b: usize,
    address: usize,
    stride: usize,
    end: usize,
}

/// Makes AMX instructions work on every thread of this process; later calls do nothing.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_illegal_instruction;
        // SAFETY: an all-zero sigaction is a valid value, and the handler has the signature that SA_SIGINFO requires.
        // It runs on the stack of the thread, because the alternate stack is too small for its debug build.
        let status = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut())
        };
        assert_eq!(status, 0, "the SIGILL handler could not be installed");
    });
}

/// Whether this thread has executed LDTILECFG but not yet TILERELEASE.
pub fn tiles_in_use() -> bool {
    // SAFETY: the state lives as long as the thread. Only the handler writes to it, on this thread and not during this
    // read, which is volatile because the compiler does not see those writes.
    STATE.with(|state| unsafe { (&raw const (*state.get()).configured).read_volatile() })
}

extern "C" fn on_illegal_instruction(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t that belongs to this handler until it returns.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let Some(instruction) = decode(registers) else {
        // SAFETY: restoring the default is always allowed; the instruction then faults again and ends the process.
        unsafe { libc::signal(libc::SIGILL, libc::SIG_DFL) };
        return;
    };
    // SAFETY: SIGILL is blocked while its handler runs, so this is the only reference to this thread's state.
    let outcome = STATE.with(|state| unsafe { execute(&mut *state.get(), &instruction) });
    if let Err(fault) = outcome {
        refuse(instruction.name, fault);
    }
    registers[libc::REG_RIP as usize] = instruction.end as i64;
}

/// Prints the fault and aborts, without allocation or locks, because this runs in a signal handler.
fn refuse(name: &str, fault: &str) -> ! {
    let parts = ["emulated AMX: ", name, " refused: ", fault, "\n"]
        .map(|part| libc::iovec { iov_base: part.as_ptr() as *mut libc::c_void, iov_len: part.len() });
    // SAFETY: the parts outlive the call, which only reads them; abort may be called from a handler.
    unsafe {
        libc::writev(libc::STDERR_FILENO, parts.as_ptr(), parts.len() as libc::c_int);
        libc::abort()
    }
}

/// Reads the code of the faulting instruction, never beyond its end.
struct Code(usize);

impl Code {
    fn byte(&mut self) -> u8 {
        // SAFETY: the processor has just fetched the instruction from here, and every byte read is part of it.
        let byte = unsafe { (self.0 as *const u8).read() };
        self.0 += 1;
        byte
    }

    fn displacement32(&mut self) -> usize {
        i32::from_le_bytes(std::array::from_fn(|_| self.byte())) as usize
    }
}

/// The instruction at RIP, or `None` if it is not a valid encoding of an emulated instruction.
fn decode(registers: &Registers) -> Option<Instruction> {
    let mut code = Code(registers[libc::REG_RIP as usize] as usize);
    if code.byte() != 0xC4 {
        return None;
    }
    // The three-byte VEX prefix: R, X, B (inverted) and map 0F38; then W = 0, vvvv (inverted), L = 0 and pp.
    let [extensions, fields] = [code.byte(), code.byte()];
    let opcode = code.byte();
    if extensions & 0x9F != 0x82 || fields & 0x84 != 0 || !matches!(opcode, 0x49 | 0x4B | 0x5C | 0x5E) {
        return None;
    }
    let modrm = code.byte();
    let (memory, reg, rm) = (modrm < 0xC0, modrm >> 3 & 7, modrm & 7);
    let (name, operation) = match (opcode, fields & 3, memory) {
        (0x49, 0, true) if reg == 0 => ("LDTILECFG", Operation::Configure),
        (0x49, 0, false) if modrm == 0xC0 => ("TILERELEASE", Operation::Release),
        (0x49, 3, false) if rm == 0 => ("TILEZERO", Operation::Zero),
        (0x4B, 3, true) if rm == 4 => ("TILELOADD", Operation::Load),
        (0x4B, 1, true) if rm == 4 => ("TILELOADDT1", Operation::Load),
        (0x4B, 2, true) if rm == 4 => ("TILESTORED", Operation::Store),
        (0x5C, 2, false) => ("TDPBF16PS", Operation::DotBf16),
        (0x5E, 3, false) => ("TDPBSSD", Operation::DotBytes { a_signed: true, b_signed: true }),
        (0x5E, 2, false) => ("TDPBSUD", Operation::DotBytes { a_signed: true, b_signed: false }),
        (0x5E, 1, false) => ("TDPBUSD", Operation::DotBytes { a_signed: false, b_signed: true }),
        (0x5E, 0, false) => ("TDPBUUD", Operation::DotBytes { a_signed: false, b_signed: false }),
        _ => return None,
    };
    let vvvv = usize::from(!fields >> 3 & 15);
    let is_product = opcode >= 0x5C;
    // Tile numbers end at 7. If vvvv names no tile, it must be unused.
    if if is_product { vvvv > 7 || extensions & 0x20 == 0 } else { vvvv != 0 } {
        return None;
    }
    let (base, index) = if memory { memory_operand(&mut code, registers, modrm, extensions) } else { (0, 0) };
    // When a tile is loaded or stored, the index is the stride of its rows; otherwise it is part of the address.
    let address = if opcode == 0x49 { base.wrapping_add(index) } else { base };
    let [c, a] = [reg, rm].map(usize::from);
    Some(Instruction { name, operation, c, a, b: vvvv, address, stride: index, end: code.0 })
}

/// The two parts of a memory operand: base plus displacement, and the scaled index, or 0 without an index.
fn memory_operand(code: &mut Code, registers: &Registers, modrm: u8, extensions: u8) -> (usize, usize) {
    // The places in ucontext of rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi and r8 to r15, the order of their encoding.
    const ENCODED: [usize; 16] = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
    let register =
        |low: u8, extended: bool| registers[ENCODED[usize::from(low & 7 | u8::from(extended) << 3)]] as usize;
    let (mode, has_sib) = (modrm >> 6, modrm & 7 == 4);
    let sib = if has_sib { code.byte() } else { modrm };
    let index_extended = extensions & 0x40 == 0;
    let has_index = has_sib && (sib >> 3 & 7 != 4 || index_extended);
    let index = if has_index { register(sib >> 3, index_extended) << (sib >> 6) } else { 0 };
    let base = match (mode, sib & 7) {
        // Here the displacement replaces the base; without a SIB byte it counts from the end of the instruction.
        (0, 5) => return (code.displacement32().wrapping_add(if has_sib { 0 } else { code.0 }), index),
        _ => register(sib, extensions & 0x20 == 0),
    };
    let displacement = match mode {
        0 => 0,
        1 => code.byte() as i8 as usize,
        _ => code.displacement32(),
    };
    (base.wrapping_add(displacement), index)
}

/// # Safety
/// The operation must be allowed to read or write the memory that the instruction names.
unsafe fn execute(state: &mut TileState, instruction: &Instruction) -> ExecutionResult {
    let &Instruction { c, a, b, address, stride, .. } = instruction;
    let row_address = |row: usize| address.wrapping_add(row.wrapping_mul(stride)) as *mut u8;
    match instruction.operation {
        // SAFETY: the caller guarantees the 64 bytes of the configuration, which need no alignment.
        Operation::Configure => configure(state, &unsafe { (address as *const [u8; 64]).read_unaligned() })?,
        Operation::Release => *state = TileState::INITIAL,
        Operation::Zero => state.usable(c)?.bytes = [[0; MAX_ROW_BYTES]; MAX_ROWS],
        Operation::Load => {
            let tile = state.usable(c)?;
            tile.bytes = [[0; MAX_ROW_BYTES]; MAX_ROWS];
            for row in 0..tile.rows {
                // SAFETY: the caller guarantees the rows in memory; a row of a tile holds at least `row_bytes`.
                unsafe { row_address(row).copy_to(tile.bytes[row].as_mut_ptr(), tile.row_bytes) };
            }
        }
        Operation::Store => {
            let tile = state.usable(c)?;
            for row in 0..tile.rows {
                // SAFETY: as above, in the other direction.
                unsafe { row_address(row).copy_from(tile.bytes[row].as_ptr(), tile.row_bytes) };
            }
        }
        Operation::DotBf16 => {
            let [c_tile, a_tile, b_tile] = product_tiles(state, c, a, b)?;
            state.tiles[c].bytes = dot_bf16(&c_tile, &a_tile, &b_tile);
        }
        Operation::DotBytes { a_signed, b_signed } => {
            let [c_tile, a_tile, b_tile] = product_tiles(state, c, a, b)?;
            state.tiles[c].bytes = dot_bytes(&c_tile, &a_tile, &b_tile, a_signed, b_signed);
        }
    }
    Ok(())
}

fn configure(state: &mut TileState, bytes: &[u8; 64]) -> ExecutionResult {
    let mut next = TileState::INITIAL;
    if bytes[0] > 1 {
        return Err("the palette is neither 0 nor 1");
    }
    // Palette 0 sets the initial state and ignores all other bytes.
    if bytes[0] == 1 {
        next.configured = true;
        if bytes[1] != 0 {
            return Err("start_row is not 0, which the emulator does not support");
        }
        if bytes[2..16].iter().chain(&bytes[32..48]).chain(&bytes[56..]).any(|&byte| byte != 0) {
            return Err("a reserved byte of the configuration is not 0");
        }
        for (number, tile) in next.tiles.iter_mut().enumerate() {
            tile.rows = usize::from(bytes[48 + number]);
            tile.row_bytes = usize::from(u16::from_le_bytes([bytes[16 + 2 * number], bytes[17 + 2 * number]]));
            if tile.rows > MAX_ROWS || tile.row_bytes > MAX_ROW_BYTES {
                return Err("a tile has more than 16 rows or more than 64 bytes a row");
            }
            if (tile.rows == 0) != (tile.row_bytes == 0) {
                return Err("a tile has rows without bytes or bytes without rows");
            }
        }
    }
    *state = next;
    Ok(())
}

/// Copies of the three tiles of a dot product, or an error if the processor would refuse their registers or shapes.
fn product_tiles(state: &mut TileState, c: usize, a: usize, b: usize) -> Result<[TileRegister; 3], &'static str> {
    if c == a || c == b || a == b {
        return Err("the same tile is named twice");
    }
    let [c, a, b] = [*state.usable(c)?, *state.usable(a)?, *state.usable(b)?];
    let checks = [
        ([c, a, b].iter().any(|tile| tile.row_bytes % 4 != 0), "a tile's bytes a row are not a multiple of 4"),
        (a.rows != c.rows, "A and C differ in rows"),
        (b.row_bytes != c.row_bytes, "B and C differ in bytes a row"),
        (a.row_bytes / 4 != b.rows, "A's bytes a row do not match B's rows"),
    ];
    if let Some((_, fault)) = checks.into_iter().find(|(failed, _)| *failed) {
        return Err(fault);
    }
    Ok([c, a, b])
}

fn group(row: &[u8; MAX_ROW_BYTES], number: usize) -> [u8; 4] {
    std::array::from_fn(|byte| row[4 * number + byte])
}

fn dot_bytes(c: &TileRegister, a: &TileRegister, b: &TileRegister, a_signed: bool, b_signed: bool) -> TileBytes {
    let widen = |byte: u8, signed: bool| if signed { i32::from(byte as i8) } else { i32::from(byte) };
    let mut result = [[0; MAX_ROW_BYTES]; MAX_ROWS];
    for (m, row) in result.iter_mut().enumerate().take(c.rows) {
        for n in 0..c.row_bytes / 4 {
            let mut sum = i32::from_le_bytes(group(&c.bytes[m], n));
            for k in 0..b.rows {
                let pairs = group(&a.bytes[m], k).into_iter().zip(group(&b.bytes[k], n));
                sum = pairs.fold(sum, |sum, (a, b)| sum.wrapping_add(widen(a, a_signed) * widen(b, b_signed)));
            }
            row[4 * n..4 * n + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
    result
}

fn dot_bf16(c: &TileRegister, a: &TileRegister, b: &TileRegister) -> TileBytes {
    let [a_values, b_values] = [bf16_values(&a.bytes), bf16_values(&b.bytes)];
    let mut result = [[0; MAX_ROW_BYTES]; MAX_ROWS];
    for (m, row) in result.iter_mut().enumerate().take(c.rows) {
        // Even and odd elements have separate sums, which are added at the end, in the order of the SDM.
        let mut sums = [0.0; MAX_ROW_BYTES / 2];
        for k in 0..b.rows {
            for (n, sum) in sums[..c.row_bytes / 2].iter_mut().enumerate() {
                *sum = multiply_add(a_values[m][2 * k + n % 2], b_values[k][n], *sum);
            }
        }
        for n in 0..c.row_bytes / 4 {
            let dot = flush(sums[2 * n] + sums[2 * n + 1]);
            let total = flush(flush(f32::from_le_bytes(group(&c.bytes[m], n))) + dot);
            row[4 * n..4 * n + 4].copy_from_slice(&total.to_le_bytes());
        }
    }
    result
}

fn bf16_values(bytes: &TileBytes) -> [[f32; MAX_ROW_BYTES / 2]; MAX_ROWS] {
    bytes.map(|row| {
        std::array::from_fn(|n| flush(f32::from_bits(u32::from_le_bytes([0, 0, row[2 * n], row[2 * n + 1]]))))
    })
}

/// Replaces a denormal number by a zero of the same sign.
fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
}

/// A fused multiply-add that rounds to nearest even and flushes tiny results. The handler runs with the default MXCSR,
/// whatever the interrupted code has set. Near `LEAST_NORMAL` the f64 sum is exact: the product has at most 16 bits.
fn multiply_add(a: f32, b: f32, sum: f32) -> f32 {
    let wide = f64::from(a) * f64::from(b) + f64::from(sum);
    let fused = a.mul_add(b, sum);
    if wide.abs() < LEAST_NORMAL { 0.0_f32.copysign(fused) } else { fused }
}
