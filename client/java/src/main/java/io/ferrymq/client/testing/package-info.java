/** A broker for tests: see {@link io.ferrymq.client.testing.TestBroker}. */
package io.ferrymq.client.testing;
