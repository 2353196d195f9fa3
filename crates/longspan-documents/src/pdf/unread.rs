//! What a file holds beside its pages, so that its text lacks it.

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Array, Dict, Object};

use crate::Warning;

/// A warning for what is not read: a form of XFA, whose pages are made when it is opened (ISO 32000-1, 12.7.8), and the
/// files of a portfolio (ISO 32000-2, 12.3.5).
pub(super) fn warnings(pdf: &Pdf) -> Vec<Warning> {
    let Some(catalog) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()) else { return Vec::new() };
    let form = catalog.get::<Dict<'_>>(b"AcroForm");
    let is_dynamic = form.is_some_and(|form| {
        let has_fields = form.get::<Array<'_>>(b"Fields").is_some_and(|fields| fields.raw_iter().next().is_some());
        let needs_rendering = catalog.get::<bool>(b"NeedsRendering").unwrap_or(false);
        form.get::<Object<'_>>(b"XFA").is_some() && (needs_rendering || !has_fields)
    });
    let is_portfolio = catalog.get::<Dict<'_>>(b"Collection").is_some();
    let form = is_dynamic.then_some("its form, which XFA makes when it is opened");
    let files = is_portfolio.then_some("the files in it: it is a portfolio");
    form.into_iter().chain(files).map(|what| Warning::LeftOut(what.into())).collect()
}
