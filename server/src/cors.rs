//! Which pages of other sites may use the API in a browser (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// How long a browser may remember what it may do; none remembers it for longer than a day.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Headers of answers that pages may read, beside the few that they always may.
const READABLE: [HeaderName; 2] = [HeaderName::from_static("x-request-id"), header::RETRY_AFTER];

/// Pages that may use the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All pages.
    #[default]
    Any,
    /// Those of these sites.
    Listed(Vec<Origin>),
    /// None but the server's own.
    Own,
}

/// A site, as browsers name it: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// What the flag may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `*`
    Any,
    /// `none`
    Own,
    /// A site.
    Site(Origin),
}

impl FromStr for Asked {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => return Ok(Self::Any),
            "none" => return Ok(Self::Own),
            _ => {}
        }
        let host = ["http://", "https://"];
        let host = host.iter().find_map(|scheme| text.strip_prefix(scheme));
        let is_site = host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        });
        let value = HeaderValue::from_str(&text.to_ascii_lowercase()).ok();
        match value.filter(|_| is_site) {
            Some(value) => Ok(Self::Site(Origin(value))),
            None => Err(
                "it must be *, none, or a site as browsers name it, without a path: https://chat.example.com",
            ),
        }
    }
}

impl Origins {
    /// What the flags say together.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn of(asked: Vec<Asked>) -> Result<Self, &'static str> {
        match &asked[..] {
            [] | [Asked::Any] => return Ok(Self::Any),
            [Asked::Own] => return Ok(Self::Own),
            _ => {}
        }
        let site = |asked| match asked {
            Asked::Site(origin) => Ok(origin),
            Asked::Any | Asked::Own => Err("--cors-origin: * and none stand alone"),
        };
        asked
            .into_iter()
            .map(site)
            .collect::<Result<_, _>>()
            .map(Self::Listed)
    }

    /// The layer that says so. Headers and methods are named to the browser one by one: `*` does not cover
    /// `Authorization`.
    pub fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(sites) => AllowOrigin::list(sites.iter().map(|site| site.0.clone())),
            Self::Own => AllowOrigin::list([]),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(AllowMethods::mirror_request())
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(READABLE)
            .max_age(REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_named_as_browsers_name_them() {
        for text in [
            "https://chat.example.com",
            "http://127.0.0.1:3000",
            "http://[::1]:80",
        ] {
            assert!(matches!(text.parse(), Ok(Asked::Site(_))), "{text}");
        }
        for text in [
            "chat.example.com",
            "https://",
            "https://a/b",
            "https://a b",
            "ftp://a",
            "",
        ] {
            text.parse::<Asked>().expect_err(text);
        }
    }

    #[test]
    fn any_and_none_stand_alone() {
        let of = |texts: &[&str]| {
            Origins::of(
                texts
                    .iter()
                    .map(|text| text.parse().expect("valid"))
                    .collect(),
            )
        };
        assert_eq!(of(&[]), Ok(Origins::Any));
        assert_eq!(of(&["*"]), Ok(Origins::Any));
        assert_eq!(of(&["none"]), Ok(Origins::Own));
        assert!(
            matches!(of(&["http://a", "http://b"]), Ok(Origins::Listed(sites)) if sites.len() == 2)
        );
        of(&["*", "http://a"]).expect_err("a contradiction");
        of(&["http://a", "none"]).expect_err("a contradiction");
    }
}
