//! `oriel bench`: the real pipeline over recorded clips, measured.

pub mod advice;
pub mod figures;
pub mod page;
pub mod words;
