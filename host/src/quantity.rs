//! Exact Kubernetes quantities (`k8s.io/apimachinery/pkg/api/resource.Quantity`).

/// An exact decimal number with the suffix family it was written in.
#[derive(Debug, Clone, Copy)]
pub struct Quantity;
