//! What the CPU can do, and the dispatch of an operation to an instruction set.
//!
//! A function that is compiled for an instruction set is called only with the token of that set, which `rten-simd`
//! makes only if the CPU has it.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::fmt;
use std::str::FromStr;
#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

use rten_simd::SimdOp;
use rten_simd::isa::GenericIsa;
#[cfg(target_arch = "x86_64")]
use rten_simd::isa::{Avx2Isa, Avx512Isa};

/// An instruction set that kernels can run on, ordered from the slowest to the fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Vectors of 128 bits without intrinsics, for any CPU.
    Portable,
    /// Arm's 128-bit vectors.
    Neon,
    /// x86 vectors of 256 bits with fused multiply-add.
    Avx2,
    /// x86 vectors of 512 bits (F, VL, BW, DQ).
    Avx512,
    /// AVX-512 that adds four products of bytes at once (VNNI).
    Avx512Vnni,
    /// AVX-512 with VNNI that adds two products of bf16 at once.
    Avx512Bf16,
    /// All of these, and products of tiles of bf16 or bytes (AMX).
    Amx,
}

impl Isa {
    const ALL: [Isa; 7] =
        [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512, Isa::Avx512Vnni, Isa::Avx512Bf16, Isa::Amx];

    /// Whether this machine has the instruction set.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2Isa::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512Isa::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512Vnni.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Isa::Avx512Bf16.is_available() && has_amx(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The instruction sets of this machine, the slowest first. Never empty.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The instruction sets that this machine lacks.
    pub fn missing() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| !isa.is_available()).collect()
    }

    /// The instruction set to use: the fastest one, unless the environment variable `LONGSPAN_ISA` names another. An
    /// empty variable counts as unset.
    ///
    /// # Errors
    /// If `LONGSPAN_ISA` names no instruction set, or one that this machine lacks.
    pub fn current() -> Result<Isa, UnknownIsa> {
        let name = std::env::var_os("LONGSPAN_ISA").unwrap_or_default().to_string_lossy().into_owned();
        match name.is_empty() {
            false => match name.parse::<Isa>() {
                Ok(isa) if isa.is_available() => Ok(isa),
                _ => Err(UnknownIsa(name)),
            },
            true => Ok(Isa::available().pop().unwrap_or(Isa::Portable)),
        }
    }

    /// Number of f32 in a vector.
    pub fn lanes(self) -> usize {
        match self {
            Isa::Portable | Isa::Neon => 4,
            Isa::Avx2 => 8,
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => 16,
        }
    }

    /// Runs `op` with the vectors of this instruction set.
    ///
    /// # Panics
    /// If the machine lacks the instruction set.
    pub(crate) fn run<Op: SimdOp>(self, op: Op) -> Op::Output {
        match self {
            Isa::Portable => op.eval(GenericIsa::new()),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => match rten_simd::isa::ArmNeonIsa::new() {
                Some(isa) => op.eval(isa),
                None => panic!("this machine has no neon"),
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => match Avx2Isa::new() {
                // SAFETY: the token proves that the CPU has AVX2, FMA and F16C.
                Some(isa) => unsafe { with_avx2(isa, op) },
                None => panic!("this machine has no avx2"),
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => match Avx512Isa::new() {
                // SAFETY: the token proves that the CPU has AVX-512 F, VL, BW and DQ, FMA and F16C.
                Some(isa) => unsafe { with_avx512(isa, op) },
                None => panic!("this machine has no avx512"),
            },
            other => panic!("this machine has no {other}"),
        }
    }
}

/// Whether the CPU multiplies tiles of bf16 and of bytes, and the system lets this process use them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_amx() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        // CPUID leaf 7: AMX-BF16, AMX-TILE, AMX-INT8.
        const BITS: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & BITS == BITS && linux_permits_amx()
    });
    *AVAILABLE
}

/// Asks Linux for permission to use tiles, once for the process. Other systems are not asked.
#[cfg(target_arch = "x86_64")]
fn linux_permits_amx() -> bool {
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    const SYS_ARCH_PRCTL: usize = 158;
    if !cfg!(target_os = "linux") {
        return false;
    }
    let mut result = SYS_ARCH_PRCTL;
    // SAFETY: on Linux the system call takes two numbers, touches no memory of this process, and clobbers rcx and r11.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result == 0
}

/// # Safety
/// The CPU must have AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,avx2,fma,f16c")]
unsafe fn with_avx2<Op: SimdOp>(isa: Avx2Isa, op: Op) -> Op::Output {
    op.eval(isa)
}

/// # Safety
/// The CPU must have AVX-512 F, VL, BW and DQ, FMA (which F includes) and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,f16c,fma")]
unsafe fn with_avx512<Op: SimdOp>(isa: Avx512Isa, op: Op) -> Op::Output {
    op.eval(isa)
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Vnni => "avx512vnni",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Amx => "amx",
        })
    }
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Self, UnknownIsa> {
        Isa::ALL.into_iter().find(|isa| isa.to_string() == name).ok_or_else(|| UnknownIsa(name.to_string()))
    }
}

/// A message repeats so many characters of a name.
const NAME_CHARACTERS_MAX: usize = 20;

/// `LONGSPAN_ISA` names an instruction set that does not exist or that this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIsa(
    /// The value of the variable.
    pub String,
);

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = Isa::available().iter().map(Isa::to_string).collect();
        let asked: String = self.0.chars().take(NAME_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
        write!(f, "instruction set `{asked}`: this machine has {}", names.join(", "))
    }
}

impl std::error::Error for UnknownIsa {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
        assert_eq!("sse9".parse::<Isa>(), Err(UnknownIsa("sse9".into())));
        let message = UnknownIsa("x\n".repeat(50_000)).to_string();
        assert!(message.starts_with("instruction set `x\\nx\\n") && message.len() < 200, "{message}");
    }
}
