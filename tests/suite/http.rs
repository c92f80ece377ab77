//! What is there over HTTP: the routes for administrators, who may use them, the layer's headers, and the dashboard in a browser.

mod authorization;
mod browser;
mod hostile;
mod kit;
mod layer;
mod page;
mod routes;
