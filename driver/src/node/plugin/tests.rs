//! The kubelet's part, played over real sockets.
