//! Which instructions a kernel may use.

/// Kinds of kernel, narrowest first. A wider one needs the CPU's consent, asked for once, in `Filler::new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What the compiler makes of plain code for its target.
    Scalar,
    /// AVX2.
    Avx2,
    /// AVX-512 with bytes and words (BW).
    Avx512,
}

impl Instructions {
    const ALL: [Instructions; 3] = [Instructions::Scalar, Instructions::Avx2, Instructions::Avx512];

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
            Instructions::Avx2 => "avx2",
            Instructions::Avx512 => "avx512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn here(self) -> bool {
        match self {
            Instructions::Scalar => true,
            Instructions::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            Instructions::Avx512 => std::arch::is_x86_feature_detected!("avx512bw"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn here(self) -> bool {
        self == Instructions::Scalar
    }
}
