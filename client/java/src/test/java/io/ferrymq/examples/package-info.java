/** What the README shows. */
package io.ferrymq.examples;
