//! Where the server is: an http address as users write it.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// What of a path names a call rather than the API's root.
const CALLS: [&str; 3] = ["/chat/completions", "/completions", "/models"];

/// Host, port and root path of an OpenAI API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or number of the host, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What the `Host` header says.
    pub authority: String,
    /// Root of the API: `/v1`, without a slash at its end.
    pub root: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.contains("://") {
            return Err(format!("write the scheme too: http://{text}"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("{error}; write http://HOST:PORT"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "https is not spoken here: name the server itself (http://HOST:PORT), \
                            or a local end of a tunnel to it (ssh -L, stunnel)"
                        .into(),
                );
            }
            _ => return Err("only http:// addresses are known; write http://HOST:PORT".into()),
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(
                "write http://HOST:PORT, without user name and query; keys go to --api-key".into(),
            );
        }
        let has_port = authority.len() > uri.host().unwrap_or_default().len();
        if has_port && uri.port_u16().is_none() {
            return Err("the port must be a number up to 65535; write http://HOST:PORT".into());
        }
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority,
            root: root(uri.path()),
        })
    }
}

/// The path without slashes at its end and without a call; `/v1` for none.
fn root(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let call = CALLS.iter().find_map(|call| path.strip_suffix(call));
    match call.unwrap_or(path) {
        "" => "/v1".into(),
        root => root.into(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_users_write_them() {
        let cases = [
            ("http://127.0.0.1:7860", "127.0.0.1", 7860, "/v1"),
            ("http://127.0.0.1:7860/", "127.0.0.1", 7860, "/v1"),
            ("http://box/v1/", "box", 80, "/v1"),
            ("http://[::1]:8000/api/v1", "::1", 8000, "/api/v1"),
            ("http://box:1/v1/chat/completions", "box", 1, "/v1"),
            ("http://box:1/chat/completions", "box", 1, "/v1"),
        ];
        for (text, host, port, root) in cases {
            let address: Address = text.parse().expect(text);
            let found = (address.host.as_str(), address.port, address.root.as_str());
            assert_eq!(found, (host, port, root), "{text}");
        }
    }

    #[test]
    fn others_are_refused_with_a_remedy() {
        let cases = [
            ("127.0.0.1:7860", "http://127.0.0.1:7860"),
            ("https://api.example.com/v1", "tunnel"),
            ("ftp://box/", "http://HOST:PORT"),
            ("http://key@box/", "--api-key"),
            ("http://box/v1?x=1", "query"),
            ("http://", "http://HOST:PORT"),
            ("http://box:99999/", "http://HOST:PORT"),
            ("http://a b/", "http://HOST:PORT"),
        ];
        for (text, part) in cases {
            let message = text.parse::<Address>().expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
