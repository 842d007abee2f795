//! The way to the broker: a TCP connection, with TLS around it where asked for.

use std::time::Duration;

use rumqttc::tokio_native_tls::{TlsConnector, native_tls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Cause, MqttError, Server};

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One address of several that does not answer must leave time for the next.
const ADDRESS: Duration = Duration::from_secs(4);

pub(super) async fn open(server: &Server) -> Result<Box<dyn Stream>, MqttError> {
    // A file that cannot be read is told before anybody is called.
    let connector = server.tls.then(|| connector(server)).transpose()?;
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let tcp = tcp(host, server.port).await?;
    // An event is a small packet, and goes out when it is written, not when the packet before it was acknowledged.
    tcp.set_nodelay(true).map_err(|why| MqttError::line(Cause::Unreachable, why))?;
    match connector {
        None => Ok(Box::new(tcp)),
        Some(connector) => {
            let stream = connector.connect(host, tcp).await.map_err(|why| MqttError::line(Cause::Tls, why))?;
            Ok(Box::new(stream))
        }
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, MqttError> {
    let addresses = tokio::net::lookup_host((host, port));
    let addresses = addresses.await.map_err(|why| MqttError::line(Cause::UnknownHost, why))?;
    let mut last = MqttError::line(Cause::UnknownHost, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => last = MqttError::line(Cause::Unreachable, why),
            Err(_) => last = MqttError::line(Cause::Unreachable, "no answer to the call"),
        }
    }
    Err(last)
}

/// Verifies authority, name and date always; there is no switch for it.
fn connector(server: &Server) -> Result<TlsConnector, MqttError> {
    let mut builder = native_tls::TlsConnector::builder();
    builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
    let file = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|why| MqttError::File { path: path.clone(), why: why.to_string() })
    };
    if let Some(path) = &server.ca {
        let bad = |why: native_tls::Error| MqttError::File { path: path.clone(), why: why.to_string() };
        builder.add_root_certificate(native_tls::Certificate::from_pem(&file(path)?).map_err(bad)?);
    }
    if let Some((certificate, key)) = &server.identity {
        // Its error tells of the form, never of the content.
        let bad = |why: native_tls::Error| MqttError::File { path: key.clone(), why: why.to_string() };
        let identity = native_tls::Identity::from_pkcs8(&file(certificate)?, &file(key)?).map_err(bad)?;
        builder.identity(identity);
    }
    Ok(builder.build().map_err(|why| MqttError::line(Cause::Tls, why))?.into())
}
