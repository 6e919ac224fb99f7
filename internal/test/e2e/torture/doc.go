// Package torture has things go wrong that do go wrong: processes are killed,
// machines stop answering, connections break. All the while clients work on
// sessions, and package history judges what they were told.
//
// A Scenario is one way in which things go wrong. The same scenarios run for an
// hour by the command below cmd, which writes docs/reliability.md, and briefly
// as tests.
package torture
