//! announcing
