//! ONNX Runtime through `ort`, loaded at run time.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::{ArrayViewD, IxDyn};
use ort::environment::Environment;
use ort::session::{RunOptions, Session, SessionInputValue, SessionOutputs};
use ort::value::{Outlet, Shape, TensorElementType, TensorRef, ValueType};

use super::{Backend, InferError, Provider, Slots, arena, preflight, reshape};
use crate::base::model::{InputSpec, Model, OutputShape, Samples};

/// Where to look for libonnxruntime before the usual places.
#[derive(Debug, Clone, Default)]
pub struct RuntimeSpec {
    pub library: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
pub struct SessionSpec {
    /// Intra-op threads of this session.
    pub threads: usize,
    pub max_batch: usize,
    pub provider: Provider,
}

/// One session of one model.
pub struct Onnx {
    session: Session,
    name: String,
    input: InputSpec,
    max_batch: usize,
    outputs: Vec<Output>,
    /// Width and height of the input for each picture of a batch, for models that ask for them.
    sizes: Option<Vec<i64>>,
}

/// One output that the head reads.
struct Output {
    name: String,
    kind: Kind,
    /// The file has a batch dimension in front; old exports for one picture may have none.
    batched: bool,
    /// Whole numbers turned into f32, which is exact for classes and counts.
    numbers: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    F32,
    I64,
    I32,
}

/// Detectors have up to eight.
const OUTPUTS_MAX: usize = 16;
/// Second input of RT-DETR and D-FINE: the size that boxes are given for, int64 [pictures, 2], width first.
const SIZES: &str = "orig_target_sizes";

impl Onnx {
    /// Checks `model.bytes`, loads them, holds their shapes against the card and runs them once on zeros. `input` is the
    /// card's, or, for a model with free sides, one cut to the shape of a picture. `expected` are the shapes of the outputs
    /// for one picture, in the order in which the head reads them.
    pub fn open(
        model: &Model,
        input: InputSpec,
        spec: SessionSpec,
        expected: &[OutputShape],
    ) -> Result<Onnx, InferError> {
        let refuse = |reason: String| InferError::Model { model: model.name.clone(), reason };
        preflight::check(&model.bytes).map_err(refuse)?;
        let environment = ENVIRONMENT
            .get()
            .ok_or_else(|| InferError::Library("ONNX Runtime was not loaded before a model was opened".into()))?;
        spec.provider.check(&model.name)?;
        let InputSpec { width, height, .. } = input;
        let resized = ((width, height) != (model.input.width, model.input.height))
            .then(|| reshape::with_input_size(&model.bytes, height, width))
            .map(|resized| resized.ok_or_else(|| refuse("its input size cannot be changed".into())))
            .transpose()?;
        let bytes = resized.as_deref().unwrap_or(&model.bytes);
        let session = build(environment, bytes, spec).map_err(|error| refuse(format!("not loaded: {error}")))?;
        let wants_sizes = match session.inputs() {
            [_] => false,
            [_, second] if second.name() == SIZES && kind_of(second) == Some(TensorElementType::Int64) => true,
            inputs => {
                return Err(refuse(format!("has {} inputs, expected 1, or a second one named {SIZES}", inputs.len())));
            }
        };
        let first = &session.inputs()[0];
        let wanted = match input.samples {
            Samples::F32 => TensorElementType::Float32,
            Samples::U8 => TensorElementType::Uint8,
        };
        if kind_of(first) != Some(wanted) {
            let found = kind_of(first).map_or("no tensor".into(), |kind| kind.to_string());
            return Err(refuse(format!("input takes {found}, the card expects {wanted}")));
        }
        let free_or = |dimension: i64, wanted: usize| dimension < 0 || dimension == wanted as i64;
        let batch = match first.dtype().tensor_shape().map(|shape| shape.to_vec()).as_deref() {
            Some(&[batch, 3, h, w]) if free_or(h, height) && free_or(w, width) => batch,
            other => {
                let found = other.map_or("no tensor".into(), |shape| format!("{shape:?}"));
                return Err(refuse(format!("input is {found}, the card expects [batch, 3, {height}, {width}]")));
            }
        };
        let max_batch = if batch > 0 { batch as usize } else { spec.max_batch.max(1) };
        if batch > 1 {
            return Err(refuse(format!("batch is fixed to {batch}, expected free or 1")));
        }
        let outputs = outputs(&session, model, expected).map_err(refuse)?;
        let sizes = wants_sizes.then(|| [width as i64, height as i64].repeat(max_batch));
        let mut onnx = Onnx { session, name: model.name.clone(), input, max_batch, outputs, sizes };
        let mut found = Vec::new();
        let (zeros, none) = (vec![0.0; input.slot_len()], vec![0; input.slot_len()]);
        let slots = match input.samples {
            Samples::F32 => Slots::F32(&zeros),
            Samples::U8 => Slots::U8(&none),
        };
        let tidying = arena::tidying().map_err(|error| refuse(error.to_string()))?;
        let mut shapes =
            |_, outputs: &[ArrayViewD<'_, f32>]| found = outputs.iter().map(|output| output.shape().to_vec()).collect();
        onnx.run_with(Some(&tidying), slots, 1, &mut shapes)?;
        match expected.iter().zip(&found).position(|(expected, found)| !expected.takes(found)) {
            None => Ok(onnx),
            Some(at) => Err(refuse(format!(
                "output {} for one picture is {:?}, its head expects {}",
                onnx.outputs[at].name, found[at], expected[at]
            ))),
        }
    }
}

/// The outputs that the head reads, in its order: by the card's names, else as the file has them.
fn outputs(session: &Session, model: &Model, expected: &[OutputShape]) -> Result<Vec<Output>, String> {
    let there = session.outputs();
    if there.len() > OUTPUTS_MAX {
        return Err(format!("has {} outputs, expected at most {OUTPUTS_MAX}", there.len()));
    }
    let listed = || there.iter().map(Outlet::name).collect::<Vec<_>>().join(", ");
    let chosen: Vec<&Outlet> = if model.outputs.is_empty() {
        there.iter().take(expected.len()).collect()
    } else {
        let named = model.outputs.iter().map(|name| {
            let found = there.iter().find(|output| output.name() == name);
            found.ok_or_else(|| format!("has no output {name}, which its card names; there are: {}", listed()))
        });
        named.collect::<Result<_, _>>()?
    };
    if chosen.len() < expected.len() {
        return Err(format!("has {} outputs ({}), its head expects {}", chosen.len(), listed(), expected.len()));
    }
    let chosen = chosen.iter().zip(expected).map(|(output, expected)| {
        let kind = match kind_of(output) {
            Some(TensorElementType::Float32) => Kind::F32,
            Some(TensorElementType::Int64) => Kind::I64,
            Some(TensorElementType::Int32) => Kind::I32,
            other => {
                let found = other.map_or("no tensor".into(), |kind| kind.to_string());
                return Err(format!("output {} gives {found}, expected f32, i64 or i32", output.name()));
            }
        };
        // Without a batch dimension the declared shape has as many sides as one picture's.
        let rank = output.dtype().tensor_shape().map_or(0, |shape| shape.len());
        let batched = rank != expected.0.len() || rank == 0;
        Ok(Output { name: output.name().to_owned(), kind, batched, numbers: Vec::new() })
    });
    chosen.collect()
}

fn kind_of(outlet: &Outlet) -> Option<TensorElementType> {
    match outlet.dtype() {
        ValueType::Tensor { ty, .. } => Some(*ty),
        _ => None,
    }
}

fn build(environment: &Environment, bytes: &[u8], spec: SessionSpec) -> Result<Session, String> {
    // The builder's own errors carry the builder, which cannot leave this thread: only their text goes on.
    let builder = Session::builder(environment).map_err(|error| error.to_string())?;
    spec.provider
        .register(builder)?
        .with_intra_threads(spec.threads.max(1))
        .map_err(|error| error.to_string())?
        .with_inter_threads(1)
        .map_err(|error| error.to_string())?
        // Spinning threads would burn the cores that the decoders need.
        .with_intra_op_spinning(false)
        .map_err(|error| error.to_string())?
        // Planned blocks hold every tensor of a run at once: 4 MB more a session (YOLOX-nano at 416x416), and no faster.
        .with_memory_pattern(false)
        .map_err(|error| error.to_string())?
        .with_env_allocators()
        .map_err(|error| error.to_string())?
        .commit_from_memory(bytes)
        .map_err(|error| error.to_string())
}

impl Backend for Onnx {
    fn input(&self) -> InputSpec {
        self.input
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn run(
        &mut self,
        slots: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        self.run_with(None, slots, n, give)
    }
}

impl Onnx {
    fn run_with(
        &mut self,
        options: Option<&RunOptions>,
        slots: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        let Onnx { session, name, input, outputs: wanted, sizes, .. } = self;
        let fail = |reason: String| InferError::Run { model: name.clone(), reason };
        let shape = [n as i64, 3, input.height as i64, input.width as i64];
        let tensor: Result<SessionInputValue<'_>, _> = match slots {
            Slots::F32(slots) => TensorRef::from_array_view((shape, slots)).map(SessionInputValue::from),
            Slots::U8(slots) => TensorRef::from_array_view((shape, slots)).map(SessionInputValue::from),
        };
        let tensor = tensor.map_err(|error| fail(error.to_string()))?;
        let answered = match sizes {
            None => answer(session, options, &ort::inputs![tensor]),
            Some(sizes) => {
                let sizes = TensorRef::from_array_view(([n as i64, 2], &sizes[..2 * n]));
                answer(session, options, &ort::inputs![tensor, sizes.map_err(|error| fail(error.to_string()))?])
            }
        };
        let answered = answered.map_err(|error| fail(error.to_string()))?;
        // Shape without the batch, numbers of the whole batch.
        let count = wanted.len();
        let mut whole: [(&[i64], &[f32]); OUTPUTS_MAX] = [(&[], &[]); OUTPUTS_MAX];
        for (place, Output { name, kind, batched, numbers: turned }) in whole.iter_mut().zip(wanted.iter_mut()) {
            let value = answered.get(&**name).ok_or_else(|| fail(format!("output {name} is missing")))?;
            let extracted = match kind {
                Kind::F32 => value.try_extract_tensor::<f32>().map(|(shape, numbers)| (shape, Some(numbers))),
                Kind::I64 => value.try_extract_tensor::<i64>().map(|(shape, numbers)| {
                    turned.clear();
                    turned.extend(numbers.iter().map(|number| *number as f32));
                    (shape, None)
                }),
                Kind::I32 => value.try_extract_tensor::<i32>().map(|(shape, numbers)| {
                    turned.clear();
                    turned.extend(numbers.iter().map(|number| *number as f32));
                    (shape, None)
                }),
            };
            let (shape, numbers): (&Shape, Option<&[f32]>) = extracted.map_err(|error| fail(error.to_string()))?;
            let numbers = numbers.unwrap_or(turned);
            match shape.split_first() {
                Some((batch, rest)) if *batched && *batch == n as i64 => *place = (rest, numbers),
                Some(_) if !*batched && n == 1 => *place = (shape, numbers),
                _ => return Err(fail(format!("output {name} is {shape:?}, expected {n} in front"))),
            }
        }
        for i in 0..n {
            let views: [ArrayViewD<'_, f32>; OUTPUTS_MAX] = std::array::from_fn(|output| item(whole[output], i, n));
            give(i, &views[..count]);
        }
        Ok(())
    }
}

fn answer<'s>(
    session: &'s mut Session,
    options: Option<&'s RunOptions>,
    inputs: &[SessionInputValue<'_>],
) -> ort::Result<SessionOutputs<'s>> {
    match options {
        None => session.run(inputs),
        Some(options) => session.run_with_options(inputs, options),
    }
}

/// The numbers of item `i` of `n`. Up to four dimensions are kept inside the view, so nothing is allocated.
fn item<'a>((shape, numbers): (&[i64], &'a [f32]), i: usize, n: usize) -> ArrayViewD<'a, f32> {
    let mut dimensions = [0usize; 4];
    let rank = shape.len().min(4);
    for (to, from) in dimensions.iter_mut().zip(shape) {
        *to = *from as usize;
    }
    let len = numbers.len() / n;
    let fitting = ArrayViewD::from_shape(IxDyn(&dimensions[..rank]), &numbers[i * len..][..len]);
    fitting.unwrap_or_else(|_| ArrayViewD::from_shape(IxDyn(&[0]), &[]).expect("an empty view fits no numbers"))
}

/// One per process: ONNX Runtime refuses a second one even after the first is gone.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
/// Held while the library is loaded, so that two tests do not do it at once.
static LOADING: std::sync::Mutex<()> = std::sync::Mutex::new(());

const FILE: &str = "libonnxruntime.so";
/// Where `scripts/setup.sh` puts the library, below the checkout.
const INSTALLED: &str = ".local/onnxruntime/lib";

/// Config, `ORT_DYLIB_PATH`, beside the executable, the set-up's folder, the system's: the first that exists.
/// A path that was asked for by name and does not exist is an error, never passed over.
pub fn find_library(spec: &RuntimeSpec) -> Result<PathBuf, InferError> {
    let named = spec.library.clone().map(|path| ("inference.library", path));
    let variable = || std::env::var_os("ORT_DYLIB_PATH").map(|path| ("ORT_DYLIB_PATH", PathBuf::from(path)));
    if let Some((who, path)) = named.or_else(variable) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(InferError::Library(format!("{who}: {}: no such file; expected {FILE}", path.display())))
        };
    }
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let mut places: Vec<PathBuf> = beside.into_iter().flat_map(|dir| [dir.join("lib"), dir]).collect();
    places.push(PathBuf::from(INSTALLED));
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join(INSTALLED));
    places.extend(["/usr/lib/oriel", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    places.iter().map(|place| place.join(FILE)).find(|path| path.is_file()).ok_or_else(|| {
        let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
        InferError::Library(format!(
            "{FILE} (ONNX Runtime 1.22 or newer) was not found in {looked}; get it with scripts/setup.sh, or name it \
             in the config (inference.library) or in ORT_DYLIB_PATH"
        ))
    })
}

/// Of the loaded library, for reports; None before `load_library`.
pub fn library_version() -> Option<String> {
    ENVIRONMENT.get()?;
    // The library's release builds carry no version here, but the commit that they were built from.
    let field = |name| ort::info().split([',', ' ']).find_map(|word: &str| word.strip_prefix(name));
    let release = field("git-branch=rel-").map(str::to_owned);
    release.or_else(|| Some(format!("commit {}", field("git-commit-id=")?))).or_else(|| Some("unknown".into()))
}

/// Loads the library once per process; later calls are answered from the first one.
pub fn load_library(path: &Path) -> Result<(), InferError> {
    let _one_at_a_time = LOADING.lock().expect("nobody panics while loading");
    if ENVIRONMENT.get().is_some() {
        return Ok(());
    }
    let fail = |error: String| InferError::Library(format!("{}: cannot be loaded: {error}", path.display()));
    let path = std::path::absolute(path).map_err(|error| fail(error.to_string()))?;
    let builder = ort::environment::init_from(&path).map_err(|error| fail(error.to_string()))?;
    let environment = builder.with_telemetry(false).build().map_err(|error| fail(error.to_string()))?;
    arena::share(&environment).map_err(|error| fail(error.to_string()))?;
    let _ = ENVIRONMENT.set(environment);
    Ok(())
}
