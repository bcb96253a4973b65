//! Peers that talk nonsense.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::*;

/// What opens an HTTP/2 connection, and its first frame: settings, none.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The same numbers in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.roll() % most;
        (0..length).map(|_| self.roll().to_le_bytes()[3]).collect()
    }

    /// A frame with a sound header around nonsense.
    fn frame(&mut self) -> Vec<u8> {
        let body = self.bytes(64);
        let length = u8::try_from(body.len()).unwrap();
        let kind = u8::try_from(self.roll() % 11).unwrap();
        let flags = self.roll().to_le_bytes()[0];
        let stream = u8::try_from(self.roll() % 5).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        frame.extend(body);
        frame
    }
}

/// Sends it and hangs up; whether the other side still listens does not matter.
async fn say(path: &Path, bytes: &[u8]) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let _refused = stream.write_all(bytes).await;
    let _closed = stream.shutdown().await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _answered = tokio::time::timeout(BOUND, reading).await.unwrap();
}

#[tokio::test]
async fn nonsense_on_either_socket_ends_nothing() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let paths = folders.paths(None);
    let mut dice = Dice(0x5eed_cafe);
    for path in [&paths.service, &paths.registration] {
        for _ in 0..100 {
            say(path, &dice.bytes(2000)).await;
            let frames: Vec<u8> = (0..8).flat_map(|_| dice.frame()).collect();
            say(path, &[PREFACE, &frames].concat()).await;
        }
    }
    assert!(node.plugin.is_serving());
    assert!(node.handler.asked().is_empty());
    let kubelet = Kubelet::of(&folders, None).await;
    let answer = kubelet.prepare(vec![claim("x", "1")]).await.unwrap();
    assert_eq!(answer.claims["1"].error, "");
}

#[tokio::test]
async fn nonsense_in_place_of_a_message_is_refused_and_ends_nothing() {
    use tonic::codegen::http::uri::PathAndQuery;

    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let mut dice = Dice(0xdead_beef);
    for _ in 0..200 {
        let mut client = tonic::client::Grpc::new(kubelet.0.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static(
            "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources",
        );
        let request = tonic::Request::new(dice.bytes(300));
        // Some nonsense is a message, of which only that it is answered matters.
        let _answered = client.unary(request, path, Raw).await;
    }
    assert!(node.plugin.is_serving());
    assert!(kubelet.prepare(vec![claim("x", "1")]).await.is_ok());
}

#[tokio::test]
async fn idle_connections_are_bounded_and_their_end_makes_room() {
    let folders = Folders::new();
    let _node = Node::start(&folders, None).await;
    let path = folders.paths(None).service;
    let mut idle = Vec::new();
    for _ in 0..32 {
        idle.push(UnixStream::connect(&path).await.unwrap());
    }
    let mut refused = UnixStream::connect(&path).await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(BOUND, refused.read(&mut byte)).await;
    assert_eq!(read.unwrap().unwrap(), 0, "hung up on");

    drop(idle);
    let served = async {
        loop {
            if let Ok(channel) = dial(&path).await
                && Kubelet(channel).prepare(vec![]).await.is_ok()
            {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, served).await.unwrap();
}

/// Sends bytes as they are, and takes any for an answer.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Vec<u8>,
        buffer: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        use prost::bytes::BufMut as _;
        buffer.put_slice(&item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = ();
    type Error = tonic::Status;

    fn decode(
        &mut self,
        buffer: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<()>, tonic::Status> {
        use prost::bytes::Buf as _;
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}
