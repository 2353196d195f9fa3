//! The commands, one file or folder each.

pub mod ask;
pub mod bench;
pub mod calibrate;
pub mod convert;
pub mod eval;
pub mod fetch;
pub mod health;
pub mod info;
pub mod pages;
pub mod pretrain;
pub mod text;
pub mod train;
