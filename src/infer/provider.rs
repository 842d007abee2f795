//! ONNX Runtime's execution providers: what a model is run on. Which of them exist is a matter of the loaded library.

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::InferError;

/// What runs a model. All but `Cpu` need a library that was built with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    #[default]
    Cpu,
    Cuda,
    TensorRt,
    OpenVino,
    MiGraphX,
    Rocm,
    Xnnpack,
    Qnn,
    Rknpu,
    Cann,
}

impl Provider {
    pub const ALL: [Provider; 10] = [
        Provider::Cpu,
        Provider::Cuda,
        Provider::TensorRt,
        Provider::OpenVino,
        Provider::MiGraphX,
        Provider::Rocm,
        Provider::Xnnpack,
        Provider::Qnn,
        Provider::Rknpu,
        Provider::Cann,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
            Provider::OpenVino => "openvino",
            Provider::MiGraphX => "migraphx",
            Provider::Rocm => "rocm",
            Provider::Xnnpack => "xnnpack",
            Provider::Qnn => "qnn",
            Provider::Rknpu => "rknpu",
            Provider::Cann => "cann",
        }
    }

    pub fn from_word(word: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.word() == word)
    }

    /// True where the model runs on the cores of this machine, so that more threads take them from the decoders.
    pub fn on_cores(self) -> bool {
        matches!(self, Provider::Cpu | Provider::Xnnpack)
    }

    /// An error with what the library offers, if it does not offer this.
    pub(super) fn check(self, model: &str) -> Result<(), InferError> {
        if self.offered() {
            return Ok(());
        }
        let offered: Vec<_> = available().into_iter().map(Provider::word).collect();
        Err(InferError::Model {
            model: model.to_owned(),
            reason: format!(
                "provider {} is not in the loaded libonnxruntime, which offers {}; expected one of these in \
                 inference.provider, or a library built with it in inference.library",
                self.word(),
                offered.join(", ")
            ),
        })
    }

    fn offered(self) -> bool {
        let asked = match self {
            Provider::Cpu => return true,
            Provider::Cuda => ep::CUDA::is_available(),
            Provider::TensorRt => ep::TensorRT::is_available(),
            Provider::OpenVino => ep::OpenVINO::is_available(),
            Provider::MiGraphX => ep::MIGraphX::is_available(),
            Provider::Rocm => ep::ROCm::is_available(),
            Provider::Xnnpack => ep::XNNPACK::is_available(),
            Provider::Qnn => ep::QNN::is_available(),
            Provider::Rknpu => ep::RKNPU::is_available(),
            Provider::Cann => ep::CANN::is_available(),
        };
        asked.unwrap_or(false)
    }

    /// The builder with this provider, which has to work: running on the CPU in silence would be a lie about the box.
    pub(super) fn register(self, builder: SessionBuilder) -> Result<SessionBuilder, String> {
        let provider: ExecutionProviderDispatch = match self {
            Provider::Cpu => return Ok(builder),
            Provider::Cuda => ep::CUDA::default().build(),
            Provider::TensorRt => ep::TensorRT::default().build(),
            Provider::OpenVino => ep::OpenVINO::default().build(),
            Provider::MiGraphX => ep::MIGraphX::default().build(),
            Provider::Rocm => ep::ROCm::default().build(),
            Provider::Xnnpack => ep::XNNPACK::default().build(),
            Provider::Qnn => ep::QNN::default().build(),
            Provider::Rknpu => ep::RKNPU::default().build(),
            Provider::Cann => ep::CANN::default().build(),
        };
        builder.with_execution_providers([provider.error_on_failure()]).map_err(|error| error.to_string())
    }
}

/// What the loaded library offers; the CPU alone before it is loaded.
pub fn available() -> Vec<Provider> {
    if super::library_version().is_none() {
        return vec![Provider::Cpu];
    }
    Provider::ALL.into_iter().filter(|provider| provider.offered()).collect()
}
