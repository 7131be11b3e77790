mod bundles;
mod lifecycle;
mod loading;
mod rules;
mod scene;
