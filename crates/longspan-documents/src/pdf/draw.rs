//! Pictures of pages, drawn by the interpreter that reads them: what is highlighted on a picture is what was read.

use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use hayro_interpret::InterpreterSettings;

use super::budget::Budget;
use super::open;
use crate::{Format, Limits, PictureSize, ReadError};

/// The largest picture: a page that is far higher than wide is drawn smaller.
const PIXELS_MAX: f32 = 32e6;

/// Draws a page: a PNG.
///
/// # Errors
/// Those of opening the file; [`ReadError::Damaged`] if it has no such page, or the page no size.
pub(crate) fn draw(
    bytes: Vec<u8>,
    picture: PictureSize,
    password: Option<&str>,
    limits: &Limits,
) -> Result<Vec<u8>, ReadError> {
    let budget = Budget::new(limits);
    let (pdf, _) = open::open(bytes, password, limits, &budget)?;
    let damaged = |what: &str| ReadError::Damaged { format: Format::Pdf, what: what.into() };
    let pages = pdf.pages();
    let page = picture.page.checked_sub(1).and_then(|index| pages.get(index)).ok_or_else(|| damaged("no such page"))?;
    let (width, height) = page.render_dimensions();
    let scale = (f32::from(picture.width) / width).min((PIXELS_MAX / (width * height)).sqrt());
    if !(scale.is_finite() && scale * width >= 1.0 && scale * height >= 1.0) {
        return Err(damaged("a page without a size"));
    }
    // The width is cut to whole pixels: half of one more gives the width that was asked for.
    let scale = scale + 0.5 / width;
    let settings = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let cache = RenderCache::new();
    let drawn = render(page, &cache, &InterpreterSettings::default(), &RenderSettings::default(), &settings);
    drawn.into_png().map_err(|error| ReadError::Failed(error.to_string()))
}
