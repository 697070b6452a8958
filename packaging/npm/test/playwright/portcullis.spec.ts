import { expect, test } from "portcullis-server/playwright";
import type { Mail } from "portcullis-server";

for (const username of ["alice", "bob"]) {
  test(`${username} registers, stays signed in and confirms their address`, async ({ page, portcullis }) => {
    await page.goto(`/?server=${portcullis.url}`);
    const told = page.getByRole("status");
    await expect(told).toHaveText("nobody");
    await page.getByRole("textbox").fill(username);
    await page.getByRole("button").click();
    await expect(told).toHaveText(`{"username":"${username}","emailVerified":false}`);
    await page.reload();
    await expect(told).toContainText(username);

    const mail: Mail = await portcullis.waitForMail({ kind: "verify-email", to: `${username}@example.com` });
    const link = await page.context().newPage();
    await link.goto(mail.link ?? "");
    await link.locator("input[type=password]").fill("correct horse battery");
    await link.getByRole("button").first().click();
    await expect(link.locator("form")).toBeHidden();
    await page.reload();
    await expect(told).toHaveText(`{"username":"${username}","emailVerified":true}`);
  });
}
