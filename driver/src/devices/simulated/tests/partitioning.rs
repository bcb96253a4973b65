//! partitioning
