//! ResourceSlices.
