// Package e2e holds tests that need other libraries or programs: the official clients of
// OpenSearch and Elasticsearch, web frameworks, nginx, and a real browser.
package e2e
