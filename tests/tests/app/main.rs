//! The application as users meet it, on every embedded store.

mod smoke;
