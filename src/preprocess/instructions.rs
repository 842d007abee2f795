//! Which instructions a kernel may use.

/// Kinds of kernel, narrowest first. A wider one needs the CPU's consent, asked for once, in `Filler::new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What the compiler makes of plain code for its target.
    Scalar,
    /// NEON, the 128-bit instructions of AArch64.
    Neon,
    /// AVX2. AVX-512 was tried: 0.97 of the time on an Intel Xeon, 1.04 to 1.3 on an AMD EPYC.
    Avx2,
}

impl Instructions {
    const ALL: [Instructions; 3] = [Instructions::Scalar, Instructions::Neon, Instructions::Avx2];

    /// Those that this CPU has, narrowest first.
    pub fn available() -> impl Iterator<Item = Instructions> {
        Instructions::ALL.into_iter().filter(|instructions| instructions.here())
    }

    /// The widest that this CPU has.
    pub fn widest() -> Instructions {
        Instructions::available().last().unwrap_or(Instructions::Scalar)
    }

    pub fn name(self) -> &'static str {
        match self {
            Instructions::Scalar => "scalar",
            Instructions::Neon => "neon",
            Instructions::Avx2 => "avx2",
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn here(self) -> bool {
        match self {
            Instructions::Scalar => true,
            Instructions::Neon => false,
            Instructions::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
        }
    }

    #[cfg(target_arch = "aarch64")]
    pub(super) fn here(self) -> bool {
        match self {
            Instructions::Scalar => true,
            Instructions::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Instructions::Avx2 => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn here(self) -> bool {
        self == Instructions::Scalar
    }
}
