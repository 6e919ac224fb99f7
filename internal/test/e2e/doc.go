// Package e2e holds tests that need other libraries: the official clients of
// OpenSearch and Elasticsearch, and a real browser.
package e2e
