//! Cancelling a statement: a request on a connection of its own, under the same TLS rules as the statement's.

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CancelKey, login};
use crate::error::WireError;
use crate::settings::Settings;

/// Asks the server to stop what the connection with this key does, and waits until the server took note.
pub(crate) async fn cancel(settings: &Settings, key: CancelKey) -> Result<(), WireError> {
    let mut socket = login::open_socket(settings).await?;
    let mut request = BytesMut::new();
    frontend::cancel_request(key.process, key.secret, &mut request);
    socket.write_all(&request).await?;
    socket.flush().await?;
    // The server answers by closing; reading until then orders the cancel before whatever follows.
    let _ = socket.read(&mut [0; 1]).await;
    Ok(())
}
