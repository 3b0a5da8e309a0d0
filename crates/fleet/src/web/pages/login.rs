//! Logging in with the token, where there is one.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Shared, render};
use crate::web::assets;
use crate::web::guard::COOKIE;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    assets: &'static str,
    form: String,
    wrong: bool,
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    form: String,
    token: String,
}

pub(crate) async fn page(State(app): Shared) -> Response {
    if !app.guard.has_token() {
        return Redirect::to("/").into_response();
    }
    render(&Page {
        assets: assets::version(),
        form: app.guard.form(),
        wrong: false,
    })
}

pub(crate) async fn log_in(State(app): Shared, Form(given): Form<LogIn>) -> Response {
    if given.form != app.guard.form() || !app.guard.knows(given.token.trim()) {
        let page = Page {
            assets: assets::version(),
            form: app.guard.form(),
            wrong: true,
        };
        return (StatusCode::UNAUTHORIZED, render(&page)).into_response();
    }
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
        app.guard.session()
    );
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

pub(crate) async fn log_out() -> Response {
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}
