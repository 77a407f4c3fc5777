//! The bodies of error pages, as each software has them.

use std::borrow::Cow;

use super::super::Head;
use super::super::Version;

/// Lines that make a page too long for browsers to show their own instead.
const PADDING: &str = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n";
const PADDING_LINES: usize = 6;

/// The padding for the browser that a request says it comes from.
pub(super) fn nginx_padding(head: &Head) -> String {
    let browser = head.values("user-agent").next().unwrap_or_default();
    let is_msie = browser.split_once("MSIE ").is_some_and(|(_, version)| version.len() > 2);
    let is_other = |names: &[&str]| names.iter().any(|name| browser.contains(name));
    let is_padded = (is_msie || browser.contains("Chrome/") && !is_other(&["Gecko/"])) && !is_other(&["Opera"]);
    PADDING.repeat(if is_padded && head.version > Version::Http09 { PADDING_LINES } else { 0 })
}

/// What a page about a bad request says besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Unsaid,
    /// A header, or all of them, is too long.
    LongField,
    /// It came in the clear to a port that speaks TLS.
    Unencrypted,
}

pub(super) fn nginx_page(server: &str, (status, reason): (u16, &str), why: Why, padding: &str) -> String {
    let why = match why {
        Why::LongField => "Request Header Or Cookie Too Large",
        Why::Unencrypted => "The plain HTTP request was sent to HTTPS port",
        Why::Unsaid => {
            return format!(
                "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
             <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n{padding}"
            );
        }
    };
    format!(
        "<html>\r\n<head><title>{status} {why}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
         <center>{why}</center>\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n{padding}"
    )
}

pub(super) fn apache_page((status, reason): (u16, &str), head: Option<&Head>, why: Why, signature: &str) -> String {
    let why = match why {
        Why::Unsaid => "",
        Why::LongField => "Size of a request header field exceeds server limit.",
        Why::Unencrypted => {
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.<br />\n"
        }
    };
    let method = escaped(head.map_or("", |head| &head.method));
    let said: Cow<'_, str> = match status {
        401 => "<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you supplied the wrong\n\
                credentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe credentials required.</p>\n"
            .into(),
        403 => "<p>You don't have permission to access this resource.</p>\n".into(),
        404 => "<p>The requested URL was not found on this server.</p>\n".into(),
        405 => format!("<p>The requested method {method} is not allowed for this URL.</p>\n").into(),
        408 => "<p>Server timeout waiting for the HTTP request from the client.</p>\n".into(),
        412 => "<p>The precondition on the request\nfor the URL evaluated to false.</p>\n".into(),
        416 => "<p>None of the range-specifier values in the Range\nrequest-header field overlap the current extent\nof the selected resource.</p>\n"
            .into(),
        413 => format!(
            "The requested resource does not allow request data with {method} requests, or the amount of data provided in\n\
             the request exceeds the capacity limit.\n"
        )
        .into(),
        414 => "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n</p>\n".into(),
        417 => format!(
            "<p>The expectation given in the Expect request-header\nfield could not be met by this server.\nThe client sent<pre>\n    \
             Expect: {}\n</pre>\n</p><p>Only the 100-continue expectation is supported.</p>\n",
            escaped(head.and_then(|head| head.values("expect").next()).unwrap_or_default())
        )
        .into(),
        501 => format!("<p>{method} not supported for current URL.<br />\n</p>\n").into(),
        _ => {
            format!("<p>Your browser sent a request that this server could not understand.<br />\n{why}</p>\n").into()
        }
    };
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n\
         <title>{status} {reason}</title>\n</head><body>\n<h1>{reason}</h1>\n{said}{signature}</body></html>\n"
    )
}

pub(super) fn esx_page(status: u16, reason: &str) -> String {
    format!("<HTML><BODY><H1>{status} {reason}</H1></BODY></HTML>")
}

pub(super) fn jetty_page(status: u16, reason: &str) -> String {
    format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=ISO-8859-1\"/>\n\
         <title>Error {status} {reason}</title>\n</head>\n<body><h2>HTTP ERROR {status}</h2>\n<p>Reason:\n<pre>    {reason}</pre></p>\
         <hr /><i><small>Powered by Jetty://</small></i><br/>\n{}\n</body>\n</html>\n",
        "<br/>                                                \n".repeat(20).trim_end()
    )
}

/// Text inside HTML.
pub(in crate::handlers::http) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
