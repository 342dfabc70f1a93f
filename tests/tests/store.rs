//! The contract of the store on every backend, and what is particular to each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod store {
    mod addresses;
    mod broken;
    mod claims;
    mod join;
    #[cfg(feature = "servers")]
    mod mysql;
    mod open;
    mod sqlite;

    mod memory {
        annals::store_compliance!(super::open::memory);
    }

    mod sqlite_in_memory {
        annals::store_compliance!(super::open::sqlite_in_memory);
    }

    #[cfg(feature = "servers")]
    mod mysql_server {
        annals::store_compliance!(super::open::mysql);
    }

    mod sqlite_file {
        annals::store_compliance!(super::open::sqlite_file);
    }

    #[cfg(feature = "servers")]
    mod cut;
    #[cfg(feature = "servers")]
    mod postgres;

    #[cfg(feature = "servers")]
    mod on_postgres {
        annals::store_compliance!(super::open::postgres);
    }
}
