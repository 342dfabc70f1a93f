//! Addresses of databases.

/// The address of the database `name` on the server that `url` leads to. What follows a `?` is kept.
///
/// ```
/// use xtask::servers::database_url;
///
/// assert_eq!(database_url("mysql://root@127.0.0.1:3306/mysql?a=b", "mine"), "mysql://root@127.0.0.1:3306/mine?a=b");
/// ```
pub fn database_url(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let server = address[host..].find('/').map_or(address, |path| &address[..host + path]);
    query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::database_url;

    #[test]
    fn the_database_is_replaced_or_added() {
        assert_eq!(database_url("postgres://me@host:1/old", "new"), "postgres://me@host:1/new");
        assert_eq!(database_url("postgres://me@host:1", "new"), "postgres://me@host:1/new");
        assert_eq!(database_url("mysql://me@localhost/old?socket=/a/b", "new"), "mysql://me@localhost/new?socket=/a/b");
    }
}
