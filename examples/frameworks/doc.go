// Package frameworks is one small shop on several web frameworks, a program for each.
// README.md says which, and how to run them.
package frameworks
