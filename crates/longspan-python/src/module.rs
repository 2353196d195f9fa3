//! What Python imports as `longspan._native`.

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::citing::cite;
    #[pymodule_export]
    use crate::document::{NativeDocument, draw, serve_parent};
    #[pymodule_export]
    use crate::figures::{figures, squad_questions};
    #[pymodule_export]
    use crate::reader::{NativeReader, could_be_on_hub, embedded_name, fetch};
    #[pymodule_export]
    use crate::watch::forked;
}
