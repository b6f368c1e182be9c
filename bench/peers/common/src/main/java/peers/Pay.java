// SPDX-License-Identifier: Apache-2.0
package peers;

/** The fields of a payment the pattern needs (a Flink POJO). */
public class Pay {
  public String card, id;
  public double amount;
  public long ts;
}
